import { Document, isScalar, visit } from "yaml";
import { marker } from "../marker.ts";
import { versionOf } from "./actions.ts";
import type { Workflow } from "./model.ts";

/** The YAML text of a workflow. The version of each pinned action follows as a comment. */
export function renderWorkflow(workflow: Workflow): string {
  const document = new Document(workflow, { aliasDuplicateObjects: false });
  visit(document, {
    Pair(_, pair) {
      if (!isScalar(pair.key) || pair.key.value !== "uses" || !isScalar(pair.value)) return;
      const version = versionOf(String(pair.value.value));
      if (version) pair.value.comment = ` ${version}`;
    },
  });
  return `${marker("#")}\n${document.toString({ lineWidth: 0 })}`;
}
