"use strict";
const $ = (id) => document.getElementById(id);
const make = (tag, className, text) => {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
};
const day = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "2-digit", month: "short", timeZone: "UTC" });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit", timeZone: "UTC" });
const minute = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: "UTC" });
const when = (iso, form = minute) => { const date = new Date(iso); return `${day.format(date)} ${form.format(date)}`; };
const shown = { mails: "", timeline: "", number: null, state: "", look: "desktop", scheme: "light" };
let ahead = 0;

const span = (seconds) => {
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 2880) return `${Math.floor(minutes / 60)} h ${minutes % 60 ? `${minutes % 60} min` : ""}`;
  return `${Math.round(minutes / 1440)} days`;
};

function tick() {
  if (ahead) $("now").textContent = `${when(Date.now() + ahead, clock)} UTC`;
}

function drawMails(mails) {
  const key = JSON.stringify([mails, shown.number]);
  if (key === shown.mails) return;
  shown.mails = key;
  $("count").textContent = mails.length;
  $("mails").replaceChildren(...mails.map((mail) => {
    const item = make("li"), button = make("button");
    button.type = "button";
    if (mail.number === shown.number) button.setAttribute("aria-current", "true");
    const top = make("div", "row"), bottom = make("div", "row");
    top.append(make("span", "to", mail.to), make("small", "", when(mail.at)));
    bottom.append(make("span", "to", mail.template), make("span", `chip ${mail.state}`, mail.state));
    button.append(top, make("div", "line", mail.subject), bottom);
    button.addEventListener("click", () => { location.hash = `mail-${mail.number}`; });
    item.append(button);
    return item;
  }));
  if (!mails.length) $("mails").append(make("li", "empty", "No mail yet."));
}

function drawTimeline(lines) {
  const key = String(lines.length);
  if (key === shown.timeline) return;
  shown.timeline = key;
  const list = $("timeline");
  list.replaceChildren(...lines.toReversed().map((line) => {
    const item = make("li");
    const mark = line.ok === null ? make("span", "", "·") : make("span", line.ok ? "yes" : "no", line.ok ? "✓" : "✗");
    item.append(make("time", "", when(line.at)), mark, make("span", line.what, line.text));
    return item;
  }));
}

async function refresh() {
  try {
    const answer = await fetch("/api/state");
    const state = await answer.json();
    ahead = new Date(state.now).getTime() - Date.now();
    const wait = state.next ? (new Date(state.next) - new Date(state.now)) / 1000 : 0;
    $("next").textContent = !state.next ? "nothing is due" : wait > 0 ? `next event in ${span(wait)}` : "an event is due";
    $("skip").disabled = !state.next;
    drawMails(state.mails);
    drawTimeline(state.timeline);
    const mine = state.mails.find((mail) => mail.number === shown.number);
    if (mine && mine.state !== shown.state) draw(await (await fetch(`/api/mails/${mine.number}`)).json());
    tick();
  } catch {
    $("next").textContent = "the local run has stopped";
    $("skip").disabled = true;
  }
}

function frame() {
  const box = $("frame");
  box.className = `${shown.look} ${shown.scheme}`;
  const source = `/mails/${shown.number}/html?scheme=${shown.scheme}`;
  if (box.getAttribute("src") !== source) box.setAttribute("src", source);
  for (const button of $("looks").children) {
    button.setAttribute("aria-pressed", String(button.dataset.width === shown.look || button.dataset.scheme === shown.scheme));
  }
}

function draw(mail) {
  shown.number = mail.number;
  shown.state = mail.state;
  $("empty").hidden = true;
  $("mail").hidden = false;
  $("main").dataset.view = "mail";
  $("subject").textContent = mail.subject;
  $("from").textContent = mail.from;
  $("to").textContent = mail.to;
  $("sent").textContent = `${when(mail.at, clock)} UTC`;
  $("fate").replaceChildren(...mail.happenings.map((each) => {
    const name = { Send: "sent", Delivery: "delivered", Open: "opened", Click: "clicked", Bounce: "bounced", Complaint: "complained", Unsubscribe: "unsubscribed" }[each.kind];
    const chip = make("span", `chip ${name}`, `${name} ${minute.format(new Date(each.at))}`);
    if (each.link) chip.title = each.link;
    return chip;
  }));
  document.querySelector('[data-act="unsubscribe"]').disabled = !mail.can_unsubscribe;
  $("part-text").textContent = mail.text;
  $("html").textContent = mail.html;
  $("request").textContent = mail.request;
  $("eml").href = `/mails/${mail.number}/eml`;
  $("eml").download = `${mail.number}-${mail.template}.eml`;
  const rows = [["From", mail.from], ["To", mail.to], ["Reply-To", mail.reply_to], ["Subject", mail.subject], ...mail.headers,
    ...mail.tags.map(([name, value]) => [`tag: ${name}`, value]), ["configuration set", mail.configuration_set], ["SES message id", mail.vendor_id]];
  $("headers").replaceChildren(...rows.filter(([, value]) => value).map(([name, value]) => {
    const row = make("tr");
    row.append(make("td", "", name), make("td", "", value));
    return row;
  }));
  frame();
}

async function route() {
  const found = location.hash.match(/^#mail-(\d+)$/);
  if (!found) { $("main").dataset.view = "list"; return; }
  const answer = await fetch(`/api/mails/${found[1]}`);
  if (answer.ok) draw(await answer.json());
  shown.mails = "";
  refresh();
}

const post = (path) => fetch(path, { method: "POST", headers: { "X-Inbox": "1" } });

for (const name of ["mails", "timeline"]) {
  $(`tab-${name}`).addEventListener("click", () => {
    for (const other of ["mails", "timeline"]) {
      $(other).hidden = other !== name;
      $(`tab-${other}`).setAttribute("aria-selected", String(other === name));
    }
  });
}
for (const tab of document.querySelectorAll("[data-part]")) {
  tab.addEventListener("click", () => {
    for (const other of document.querySelectorAll("[data-part]")) {
      other.setAttribute("aria-selected", String(other === tab));
      $(`part-${other.dataset.part}`).hidden = other !== tab;
    }
    $("looks").hidden = tab.dataset.part !== "rendered";
  });
}
for (const button of $("looks").children) {
  button.addEventListener("click", () => {
    if (button.dataset.width) shown.look = button.dataset.width;
    if (button.dataset.scheme) shown.scheme = button.dataset.scheme;
    frame();
  });
}
for (const button of document.querySelectorAll("[data-act]")) {
  button.addEventListener("click", async () => {
    button.disabled = true;
    const answer = await post(`/api/mails/${shown.number}/${button.dataset.act}`);
    button.disabled = false;
    if (answer.ok) draw(await answer.json());
    refresh();
  });
}
$("back").addEventListener("click", () => { location.hash = ""; });
$("skip").addEventListener("click", async () => { $("skip").disabled = true; await post("/api/skip"); });
addEventListener("hashchange", route);
setInterval(refresh, 1500);
setInterval(tick, 1000);
route();
refresh();
