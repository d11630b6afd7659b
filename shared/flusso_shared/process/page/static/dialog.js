// Asks before something is changed.

const dialog = document.querySelector("#confirm");
const yes = document.querySelector("#confirm-yes");

/** Whether the reader agrees.  The focus returns to where it was. */
export function agreed(title, text, verb) {
  document.querySelector("#confirm-title").textContent = title;
  document.querySelector("#confirm-text").textContent = text;
  yes.textContent = verb;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

yes.addEventListener("click", () => dialog.close("yes"));
document.querySelector("#confirm-no").addEventListener("click", () => dialog.close());
