import { RootConstruct } from "constructs";

/** Reads a project file by its path from the root, as text; undefined where there is none. */
export type ReadFile = (path: string) => string | undefined;

export interface AppProps {
  /** How the tree reads what is committed beside it: lockfiles, `/init`, recorded digests. */
  readonly files: ReadFile;
}

/** The root of a tree. It holds the one way in which constructs see files, so that a test needs no disk. */
export class App extends RootConstruct {
  readonly files: ReadFile;

  constructor(props: AppProps) {
    super();
    this.files = props.files;
  }
}
