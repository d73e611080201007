import { z } from "zod";
import { SHA256 } from "../util/hash.ts";

/** A sha256 as this project writes it. */
export const Sha256 = z.string().regex(SHA256, "64 lower-case hex digits");

/** A container image that is fixed by its digest: `name:tag@sha256:…`. */
export const IMAGE_BY_DIGEST = /^[^@\s]+@sha256:[0-9a-f]{64}$/;
