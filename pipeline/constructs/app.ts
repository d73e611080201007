import { RootConstruct } from "constructs";

/** Reads a project file as text, by its path relative to the root; undefined if it does not exist. */
export type ReadFile = (path: string) => string | undefined;

/** How an `App` reads the project that it belongs to. */
export interface AppProps {
  /** How constructs read committed files: lockfiles, `/init`, recorded digests. */
  readonly files: ReadFile;
}

/** The root of a tree. Constructs read files only through it, so that tests need no disk. */
export class App extends RootConstruct {
  /** {@inheritDoc AppProps.files} */
  readonly files: ReadFile;

  constructor(props: AppProps) {
    super();
    this.files = props.files;
  }
}
