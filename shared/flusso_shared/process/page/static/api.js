// Requests to the process that served this page.

const TIMEOUT_MILLISECONDS = 30000;
const token = document.querySelector('meta[name="flusso-token"]').content;

/** The parsed answer of a GET.  Throws an Error with a text for the reader. */
export async function read(path) {
  return (await ask(path, { method: "GET" })).json();
}

/** POST to `/actions/...`; gives the process' answer.  Throws an Error with a text for the reader. */
export async function act(verb, parameters) {
  const query = new URLSearchParams(parameters);
  const answer = await ask(`actions/${verb}?${query}`, { method: "POST", headers: { "x-flusso-token": token } });
  return (await answer.text()).trim();
}

async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, { ...options, cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MILLISECONDS) });
  } catch {
    throw new Error(
      "This process does not answer. Check that it runs and that the connection to it (a port-forward, for example) is open.",
    );
  }
  if (answer.ok) return answer;
  const text = (await answer.text()).trim();
  if (answer.status === 401) throw new Error("The process asks for the password again: reload this page.");
  throw new Error(text || `The process answered ${answer.status}; its log says more.`);
}
