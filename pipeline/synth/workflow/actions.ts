/** Every action that generated workflows use, pinned by commit. Update them here. */
const ACTIONS = {
  "actions/checkout": { version: "v7.0.1", commit: "3d3c42e5aac5ba805825da76410c181273ba90b1" },
  "actions/setup-node": { version: "v7.1.0", commit: "949feb2413d6458794dcd2491c4babbbce0c15c1" },
  "actions/cache": { version: "v6.1.0", commit: "55cc8345863c7cc4c66a329aec7e433d2d1c52a9" },
  "actions/attest": { version: "v4.2.2", commit: "1e69f48acb82d1966a394da916b4c1698aa569d6" },
  "actions/upload-artifact": { version: "v7.0.2", commit: "cf430e030ddbb5b0abf93d22962f4752f3646cd9" },
  "actions/download-artifact": { version: "v8.0.2", commit: "9000827ccba6bdab643e8b6fd33ac0654aef8333" },
} as const;

export type Action = keyof typeof ACTIONS;

export const uses = (action: Action) => `${action}@${ACTIONS[action].commit}`;

/** The version of a `uses:` value, for the comment after it; undefined for an action that is not in the table. */
export function versionOf(used: string): string | undefined {
  const [name, commit] = used.split("@");
  const pin = Object.entries(ACTIONS).find(([action]) => action === name)?.[1];
  return pin?.commit === commit ? pin?.version : undefined;
}
