import type { PackerConfig } from "./config.ts";
import type { Contribution, Contributor } from "./contributor.ts";

/** The public key that Vagrant logs in with once. It is public with its private key: Vagrant replaces it at the first start. */
const INSECURE_KEY =
  "ssh-rsa AAAAB3NzaC1yc2EAAAABIwAAAQEA6NF8iallvQVp22WDkTkyrtvp9eWW6A8YVr+kz4TjGYe7gHzIw+niNltGEFHzD8+v1I2YJ6oXevct1YeS0o9HZyN1Q9qgCgzUFtdOKLv6IedplqoPkcmF0aYet2PkEDo3MlTBckFXPITAMzF8dJSIFo9D8HfdOV0IAdx4O7PtixWKn5y2hMNG0zQPyUecp4pzC6kivAIhyfHilFR61RGL+GPXQ2MWZWFYbAGjyiYJnAmCP3NOTd0jMZEnDkbUvxhMmBYSdETk1rRgm+R4LOzFUGaHqHDLKLX+FIPKcF96hrucXzcWyLbIbEgE98OHlnVYCzRdK8jlqm8tehUc9c9WhQ== vagrant insecure public key";

/** A box for Vagrant from each source: the user `vagrant`, and the post-processor that packs the machine. */
export class VagrantBoxContributor implements Contributor {
  readonly name = "vagrant-box";
  readonly order = 90;

  contribute({ name }: PackerConfig): Contribution {
    return {
      scripts: [{ name: "vagrant-box.sh", text: SCRIPT }],
      postProcessors: [
        {
          type: "vagrant",
          settings: { output: `\${var.output}/${name}-{{ .Provider }}.box`, keep_input_artifact: true },
        },
      ],
    };
  }
}

const SCRIPT = `# Vagrant runs its commands with bash and sudo.
apk add --no-cache bash sudo

id -u vagrant >/dev/null 2>&1 || adduser -D vagrant
# A locked account cannot log in by key either: it has no password instead of a locked one.
sed -i 's/^vagrant:!:/vagrant:*:/' /etc/shadow

mkdir -p /home/vagrant/.ssh
cat >>/home/vagrant/.ssh/authorized_keys <<'END'
${INSECURE_KEY}
END
chown -R vagrant:vagrant /home/vagrant/.ssh
chmod 700 /home/vagrant/.ssh
chmod 600 /home/vagrant/.ssh/authorized_keys

mkdir -p /etc/sudoers.d
echo 'vagrant ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/vagrant
chmod 440 /etc/sudoers.d/vagrant
`;
