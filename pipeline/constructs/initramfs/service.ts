import { z } from "zod";
import { unknownName } from "../../util/error.ts";
import { listOf, text } from "../props.ts";

/** A service of zinit, in the fields of its service files. */
export interface Service {
  /** The command, which zinit starts without a shell: `sshd -D`. */
  readonly exec: string;
  /** A command that succeeds once the service runs; services after it wait for that. @default it runs as soon as it is started */
  readonly test?: string | undefined;
  /** Whether it ends by itself, and services after it wait for that. @default false: it is started again when it ends */
  readonly oneshot?: boolean | undefined;
  /** The services that run, or have ended, before it is started. @default none */
  readonly after?: readonly string[] | undefined;
  /** Where its output goes. @default ring: the buffer that `zinit log` shows */
  readonly log?: "none" | "ring" | "stdout" | undefined;
  /** @default none */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Its working directory. @default / */
  readonly dir?: string | undefined;
  /** How long it may take to stop, seconds. @default 10 */
  readonly shutdown_timeout?: number | undefined;
}

const line = (what: string) => text().regex(/^[^\n]+$/, `is not ${what} in one line`);

/** The schema of an appliance's services, by their names. */
export const ServicesProp: z.ZodType<Readonly<Record<string, Service>>> = z.record(
  z
    .string()
    .regex(/^[a-z0-9][a-z0-9_-]*$/, "is not a name of a service: lower-case letters, digits, - and _"),
  z.strictObject({
    exec: line("a command"),
    test: line("a command").optional(),
    oneshot: z.boolean().optional(),
    after: listOf(text()).optional(),
    log: z.enum(["none", "ring", "stdout"]).optional(),
    env: z.record(z.string().regex(/^[A-Za-z_]\w*$/, "is not a name of a variable"), z.string()).optional(),
    dir: z.string().regex(/^\//, "is not an absolute path").optional(),
    shutdown_timeout: z.int("is not a whole number of seconds").min(0, "is not a time").optional(),
  }),
);

/** The errors of services together: those that wait for a service that there is not, or for each other. */
export function serviceErrors(services: Readonly<Record<string, Service>>): string[] {
  const names = Object.keys(services);
  const unknown = names.flatMap((name) =>
    (services[name]!.after ?? [])
      .filter((other) => !names.includes(other))
      .map((other) => `services.${name}.after: ${unknownName("service", other, names).message}`),
  );
  if (unknown.length > 0) return unknown;
  const circle = names.map((name) => circleFrom(services, [name])).find((found) => found !== undefined);
  return circle ? [`services: ${circle.join(" waits for ")}: none of them is ever started`] : [];
}

/** The services on the way from one back to itself; undefined if there is none. */
function circleFrom(
  services: Readonly<Record<string, Service>>,
  way: readonly string[],
): readonly string[] | undefined {
  for (const next of services[way.at(-1)!]!.after ?? []) {
    if (next === way[0]) return [...way, next];
    const found = way.includes(next) ? undefined : circleFrom(services, [...way, next]);
    if (found) return found;
  }
  return undefined;
}
