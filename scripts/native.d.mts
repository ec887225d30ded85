export const remedyFor: (said: string) => string | undefined;
