import { z } from "zod";

/** Less is a slip: bytes that were meant as megabytes. */
const FEWEST = 1024;

/** A bound in bytes. */
export const byteCount: z.ZodNumber = z
  .number()
  .int()
  .min(FEWEST, {
    error: ({ input }) => `${String(input)} bytes are too few: give at least ${FEWEST}; 64 MB are 64 * 2 ** 20`,
  });
