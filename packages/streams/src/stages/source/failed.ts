import type { SourceStage } from "../../model/stage.js";

export const failed = (error: unknown): SourceStage<never, void> => ({
  name: "failed",
  create: () => ({
    outlet: {
      pull() {
        throw error;
      },
      cancel() {},
    },
    mat: undefined,
  }),
});
