import { nextTurn } from "@millrace/streams/stage";

/** Lets `turns` turns of the event loop pass, and all microtasks between them. */
export const settle = async (turns = 4): Promise<void> => {
  for (let turn = 0; turn < turns; turn++) await new Promise<void>((resolve) => nextTurn(resolve));
};
