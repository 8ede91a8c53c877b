// Shows beside a method what its parameters look like; without this script the table of methods tells.
"use strict";
function hint(select) {
  const input = select.closest("td").nextElementSibling.querySelector("input");
  input.placeholder = select.selectedOptions[0].dataset.hint ?? "";
}

for (const select of document.querySelectorAll("select.method")) {
  select.addEventListener("change", () => {
    // What was written for another method means nothing for this one.
    select.closest("td").nextElementSibling.querySelector("input").value = "";
    hint(select);
  });
  hint(select);
}
