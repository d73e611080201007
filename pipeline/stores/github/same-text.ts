/** Whether GitHub has a text as it was sent: it may change line ends, and drop blank lines at the end. */
export const isSameText = (there: string | null | undefined, sent: string): boolean =>
  (there ?? "").replaceAll("\r\n", "\n").trimEnd() === sent.trimEnd();
