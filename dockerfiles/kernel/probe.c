/*
 * PID 1 of the probe: says when the kernel reached user space and which kernel it is, and switches the
 * machine off. It is for an arch that has no root file system here.
 */
static void say(const char *prefix, const char *path, char end)
{
	char text[256];
	int file = open(path, O_RDONLY);
	int length = file < 0 ? -1 : read(file, text, sizeof(text) - 1);
	int i = 0;

	if (length < 0)
		length = 0;
	while (i < length && text[i] != end && text[i] != '\n')
		i++;
	text[i] = '\0';
	printf("%s%s\n", prefix, text);
}

int main(void)
{
	mount("proc", "/proc", "proc", 0, NULL);
	say("SMOLVM_TS stage=init uptime_s=", "/proc/uptime", ' ');
	say("SMOLVM_PROBE ", "/proc/version", '\n');
	reboot(LINUX_REBOOT_CMD_POWER_OFF);
	return 1;
}
