// What a button does: ask, send, tell the answer.

import { act } from "./api.js";
import { agreed } from "./dialog.js";
import { html, show } from "./dom.js";

const MOST_MESSAGES = 3;
const messages = [];

const QUESTIONS = {
  reindex: ({ index }) => [
    `Reindex ${index}?`,
    `Every document of ${index} is built again in a new index. Queries see the old one until the new one is complete. Postgres and OpenSearch have more to do meanwhile.`,
    "Reindex",
  ],
  cancel: ({ index }) => [
    `Cancel the reindex of ${index}?`,
    "What was built of the new index is deleted. The index that answers queries stays.",
    "Cancel the reindex",
  ],
  pause: ({ index }) => [
    `Pause ${index}?`,
    `Documents of ${index} are not updated until it is resumed. Its position is kept; its lag grows.`,
    "Pause",
  ],
  resume: ({ index }) => [`Resume ${index}?`, "It goes on from the position at which it was paused.", "Resume"],
  "quarantine/retry": ({ index, id }) => [
    id ? `Retry ${id} of ${index}?` : `Retry all documents of ${index} that are in quarantine?`,
    "They are built from the database again and written. Those that fail again stay in quarantine with their new reason.",
    "Retry",
  ],
  "quarantine/drop": ({ index, id }) => [
    id ? `Drop ${id} of ${index}?` : `Drop all documents of ${index} from quarantine?`,
    "The entries are removed. The index keeps the versions that it has of these documents until their rows change.",
    "Drop",
  ],
};

/** Buttons ask and act; `after` is called when one has. */
export function listen(after) {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-verb]");
    if (!button) return;
    const { verb, index, id } = button.dataset;
    const parameters = id === undefined ? { index } : { index, id };
    if (!(await agreed(...QUESTIONS[verb](parameters)))) return;
    try {
      tell("ok", await act(verb, parameters));
    } catch (error) {
      tell("failing", error.message);
    }
    after();
  });
}

function tell(level, text) {
  messages.unshift([level, `${new Date().toLocaleTimeString("en-GB")} ${text}`]);
  messages.splice(MOST_MESSAGES);
  show(
    document.querySelector("#messages"),
    messages.map(([kind, each]) => html("p", { class: `message ${kind}` }, each)),
  );
}
