/** A directed graph, as it is drawn. */
export interface Graph {
  readonly title: string;
  readonly nodes: readonly Node[];
  readonly edges: readonly Edge[];
}

export interface Node {
  /** Letters, digits, `_` and `-`. */
  readonly id: string;
  /** The lines of its text; the first one is its name. */
  readonly lines: readonly [string, ...string[]];
  /** Nodes of the same group are drawn in one box with this title. @default in no box */
  readonly group?: string;
  /** Drawn dashed: it is built, but not published. @default false */
  readonly dashed?: boolean;
  /** Drawn with a thick border: it may write or sign. @default false */
  readonly strong?: boolean;
}

export interface Edge {
  readonly from: string;
  readonly to: string;
}

/** The nodes by their group, in the order of the first node of each; `undefined` for those in no box. */
export function groupsOf({ nodes }: Graph): Map<string | undefined, Node[]> {
  const groups = new Map<string | undefined, Node[]>();
  for (const node of nodes) groups.set(node.group, [...(groups.get(node.group) ?? []), node]);
  return groups;
}
