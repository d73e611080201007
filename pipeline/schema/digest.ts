import { z } from "zod";
import { SHA256 } from "../util/hash.ts";

/** A sha256: 64 lower-case hex digits. */
export const Sha256 = z.string().regex(SHA256, "64 lower-case hex digits");

/** A reference to a container image by digest: `name:tag@sha256:…`. */
export const IMAGE_BY_DIGEST = /^[^@\s]+@sha256:[0-9a-f]{64}$/;

/** The digest of a container image or of one of its parts: `sha256:…`. */
export const IMAGE_DIGEST = /^sha256:[0-9a-f]{64}$/;
