/** How the origin of a manifest is verified. */
export interface ProvenanceOptions {
  /**
   * Whether a manifest that did not come with this package or project must be attested by the workflow that makes the
   * releases of its repository, on the branch main. The attestation is beside the manifest, `<manifest>.sigstore.json`.
   * The hashes in a verified manifest cover the images. A manifest that came with the package is trusted as the package
   * is: nothing is verified then. @default false
   */
  readonly verifyProvenance?: boolean | undefined;
  /** The path of a trusted_root.json of another sigstore. @default sigstore's public instance, from this package */
  readonly trustedRoot?: string | undefined;
}
