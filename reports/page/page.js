// The list of replies: filters, and cards made as they are wanted. Texts are only ever put in as text.
"use strict";
(() => {
  const replies = JSON.parse(document.getElementById("data").textContent);
  const list = document.getElementById("list");
  const count = document.getElementById("count");
  const more = document.getElementById("more");
  const search = document.getElementById("search");
  const selects = ["arm", "intervention", "verdict", "trap_type"].map((name) => document.getElementById(name));
  const PAGE = 40;
  let matching = [];
  let shown = 0;

  const spaced = (name) => name.replaceAll("_", " ");

  function element(tag, className, text) {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  for (const select of selects) {
    const values = [...new Set(replies.map((reply) => reply[select.id]).filter((value) => value !== null))];
    select.append(new Option("all", ""), ...values.map((value) => new Option(spaced(value), value)));
  }

  function column(title, text) {
    const made = element("div");
    made.append(element("h3", "", title), element("pre", "", text));
    return made;
  }

  function card(reply) {
    const made = element("article", "reply");
    const header = element("header");
    header.append(element("span", "pill " + reply.verdict, spaced(reply.verdict)));
    header.append(element("span", "", reply.arm), element("span", "", reply.intervention));
    if (reply.trap_type) header.append(element("span", "faint", spaced(reply.trap_type)));
    header.append(element("span", "id", reply.id));
    const siblings = element("button", "plain", "all of this original");
    siblings.type = "button";
    siblings.addEventListener("click", () => filter({ search: "cluster:" + reply.cluster }));
    header.append(siblings);

    const columns = element("div", "columns");
    columns.append(column("Prompt", reply.prompt));
    columns.append(column(`Reply, ${reply.completion_tokens} tokens` + (reply.finish_reason === "length" ? ", cut at the limit" : ""),
                          reply.reply.trim() === "" ? "(nothing)" : reply.reply.replace(/^[ \n]/, "")));

    const judged = element("dl", "judged");
    const add = (name, value) => judged.append(element("dt", "", name), element("dd", "", value));
    add(reply.arm === "trap" ? "The flaw" : "Reference", reply.reference);
    if (reply.answer !== "") add("Answer read", reply.answer);
    add("Why", reply.reason);
    made.append(header, columns, judged);
    return made;
  }

  function show_more() {
    const next = matching.slice(shown, shown + PAGE);
    list.append(...next.map(card));
    shown += next.length;
    more.hidden = shown >= matching.length;
    count.textContent = `${matching.length} of ${replies.length} replies`;
  }

  function matches(reply, words) {
    if (words === "") return true;
    if (words.startsWith("cluster:")) return reply.cluster.toLowerCase() === words.slice("cluster:".length);
    return [reply.id, reply.prompt, reply.reply, reply.reference].some((text) => text.toLowerCase().includes(words));
  }

  function apply() {
    const words = search.value.trim().toLowerCase();
    matching = replies.filter((reply) =>
      selects.every((select) => select.value === "" || reply[select.id] === select.value) && matches(reply, words));
    shown = 0;
    list.replaceChildren();
    if (matching.length === 0) list.append(element("p", "empty", "No reply matches these filters."));
    show_more();
  }

  function filter(wanted) {
    for (const select of selects) select.value = wanted[select.id] ?? "";
    search.value = wanted.search ?? "";
    apply();
    document.getElementById("replies").scrollIntoView();
  }

  for (const select of selects) select.addEventListener("change", apply);
  search.addEventListener("input", apply);
  more.addEventListener("click", show_more);
  document.getElementById("reset").addEventListener("click", () => filter({}));
  for (const bar of document.querySelectorAll(".verdicts button")) {
    bar.addEventListener("click", () => filter({ ...bar.dataset }));
  }
  apply();
})();
