/** Answers the tarball in `folder` of each package, by the name of its folder. */
export function packAll(folder: string): ReadonlyMap<string, string>;
