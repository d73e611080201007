// The script of a release report: sorts and filters the table of assets, and opens the details of a row.
const table = document.querySelector(".assets");
const body = table.tBodies[0];
const rows = [...body.querySelectorAll("tr.asset")];
const form = document.querySelector("form");
const { packages, assets } = JSON.parse(document.querySelector("#data").textContent);
const detailsOf = (row) => row.nextElementSibling;

/** Keys under which a row is sorted: numbers if the cell has `data-value`, else its text. */
const keyOf = (row, column) => {
  const cell = row.cells[column];
  return cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value);
};
const compare = (a, b) =>
  typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));

for (const heading of table.tHead.querySelectorAll("th")) {
  heading.querySelector("button")?.addEventListener("click", () => {
    const direction = heading.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
    for (const each of table.tHead.querySelectorAll("th")) each.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", direction);
    const sign = direction === "ascending" ? 1 : -1;
    const sorted = rows.toSorted(
      (a, b) => sign * compare(keyOf(a, heading.cellIndex), keyOf(b, heading.cellIndex)),
    );
    // The details of a row stay below it.
    body.append(...sorted.flatMap((row) => [row, detailsOf(row)]));
  });
}

const filter = () => {
  const { text, flavor, arch } = form.elements;
  const words = text.value.toLowerCase().split(/\s+/);
  let shown = 0;
  for (const row of rows) {
    const fits =
      words.every((word) => row.dataset.name.includes(word)) &&
      (flavor.value === "" || flavor.value === row.dataset.flavor) &&
      (arch.value === "" || arch.value === row.dataset.arch);
    row.hidden = !fits;
    detailsOf(row).hidden = !fits || !isOpen(row);
    if (fits) shown += 1;
  }
  document.querySelector("#count").textContent = `${shown} of ${rows.length} files`;
};
form.addEventListener("input", filter);
form.addEventListener("submit", (event) => event.preventDefault());

const isOpen = (row) => row.querySelector(".open").getAttribute("aria-expanded") === "true";

const made = (tag, text, attributes = {}) =>
  Object.assign(document.createElement(tag), { textContent: text }, attributes);

/** A table with a caption, in a box that scrolls. */
const listed = (caption, head, lines) => {
  const box = made("div", "", { className: "scroll", tabIndex: 0, role: "region", ariaLabel: caption });
  const list = document.createElement("table");
  list.append(made("caption", `${caption} (${lines.length})`));
  const headings = list.createTHead().insertRow();
  for (const each of head) headings.append(made("th", each, { scope: "col" }));
  const content = list.createTBody();
  for (const line of lines) {
    const row = content.insertRow();
    for (const each of line) row.insertCell().textContent = each;
  }
  box.append(list);
  return box;
};

/** Fills the details of a row when it is opened for the first time. */
const fill = (row) => {
  const lists = detailsOf(row).querySelector(".lists");
  if (lists.childElementCount > 0) return;
  const { inventory, files } = assets[row.dataset.asset];
  const own = inventory.map((index) => packages[index]);
  const licenses = new Map();
  for (const [, , , names] of own)
    for (const name of names) licenses.set(name, (licenses.get(name) ?? 0) + 1);
  const megabytes = (bytes) => (bytes / 1e6).toFixed(1);
  lists.append(
    listed(
      "Packages",
      ["Name", "Version", "Type"],
      own.map(([type, name, version]) => [name, version, type]),
    ),
    listed(
      "Licences",
      ["Licence", "Packages"],
      [...licenses].sort(([, a], [, b]) => b - a),
    ),
    listed(
      "Largest files",
      ["Path", "MB"],
      files.map(([path, bytes]) => [`/${path}`, megabytes(bytes)]),
    ),
  );
};

for (const row of rows) {
  const button = row.querySelector(".open");
  detailsOf(row).hidden = true;
  button.addEventListener("click", () => {
    fill(row);
    button.setAttribute("aria-expanded", String(!isOpen(row)));
    detailsOf(row).hidden = !isOpen(row);
  });
}

for (const button of document.querySelectorAll(".copy")) {
  button.addEventListener("click", async () => {
    const status = document.querySelector("#copied");
    try {
      await navigator.clipboard.writeText(button.dataset.sha256);
      status.textContent = `copied the sha256 of ${button.dataset.name}`;
    } catch {
      status.textContent = `the browser does not let this page copy; the sha256 is ${button.dataset.sha256}`;
    }
  });
}
filter();
