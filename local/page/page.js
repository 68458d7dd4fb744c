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
const shown = { messages: "", timeline: "", kind: "", number: null, state: "", look: "desktop", scheme: "light" };
const places = { mail: "mails", text: "texts", push: "pushes" };
const fates = { Send: "sent", Delivery: "delivered", Open: "opened", Click: "clicked", Bounce: "bounced", Complaint: "complained", Unsubscribe: "unsubscribed", Reply: "answered" };
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

function drawMessages(state) {
  const messages = Object.entries(places).flatMap(([kind, place]) => state[place].map((message) => ({ ...message, kind })));
  messages.sort((one, other) => new Date(other.at) - new Date(one.at));
  const key = JSON.stringify([messages, shown.kind, shown.number]);
  if (key === shown.messages) return;
  shown.messages = key;
  $("count").textContent = messages.length;
  $("mails").replaceChildren(...messages.map((message) => {
    const item = make("li"), button = make("button");
    button.type = "button";
    if (message.kind === shown.kind && message.number === shown.number) button.setAttribute("aria-current", "true");
    const top = make("div", "row"), bottom = make("div", "row");
    top.append(make("span", "to", message.to), make("small", "", when(message.at)));
    if (message.kind !== "mail") bottom.append(make("span", "kind", message.kind));
    bottom.append(make("span", "to", message.template), make("span", `chip ${message.state}`, message.state));
    button.append(top, make("div", "line", message.subject), bottom);
    button.addEventListener("click", () => { location.hash = `${message.kind}-${message.number}`; });
    item.append(button);
    return item;
  }));
  if (!messages.length) $("mails").append(make("li", "empty", "No message yet."));
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
    drawMessages(state);
    drawTimeline(state.timeline);
    const mine = shown.kind && state[places[shown.kind]].find((message) => message.number === shown.number);
    if (mine && mine.state !== shown.state) await load(shown.kind, mine.number);
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

function show(kind, message) {
  shown.kind = kind;
  shown.number = message.number;
  shown.state = message.state;
  $("empty").hidden = true;
  $("mail").hidden = kind !== "mail";
  $("phone").hidden = kind === "mail";
  $("main").dataset.view = "mail";
}

function fate(box, happenings) {
  box.replaceChildren(...happenings.map((each) => {
    const name = fates[each.kind];
    const chip = make("span", `chip ${name}`, `${name} ${minute.format(new Date(each.at))}`);
    const more = each.link || each.said;
    if (more) chip.title = more;
    return chip;
  }));
}

function words(text) {
  const box = make("p", "bubble");
  for (const part of text.split(/(https?:\/\/\S*[^\s.,;:!?)])/)) {
    if (!/^https?:/.test(part)) { box.append(part); continue; }
    const link = make("a", "", part);
    link.href = part;
    link.target = "_blank";
    link.rel = "noreferrer";
    box.append(link);
  }
  return box;
}

function drawText(text) {
  show("text", text);
  about("Text message", [["From", text.from], ["To", text.to], ["Sent", `${when(text.at, clock)} UTC, ${text.kind}`], ["Length", text.length]], text);
  acts([["click", "Open its link"], ["stop", "Answer STOP"], ["start", "Answer START"], ["question", "Answer something else"]]);
  const head = make("header"), said = make("div", "bubbles");
  head.append(make("b", "", text.from), make("small", "", "Text message"));
  said.append(make("span", "stamp", when(text.at)), words(text.body));
  for (const each of text.happenings.filter((one) => one.kind === "Reply")) said.append(make("p", "bubble mine", each.said));
  $("handset").className = "handset";
  $("handset").replaceChildren(head, said);
}

function drawPush(push) {
  show("push", push);
  about("Push message", [["Through", push.from], ["To", push.to], ["Sent", `${when(push.at, clock)} UTC`], ["Leads to", push.leads]], push);
  acts([["click", "Tap it"]]);
  const note = make("button", "note"), head = make("small");
  note.type = "button";
  head.append(make("span", "", "The shop’s site"), make("span", "", minute.format(new Date(push.at))));
  note.append(make("i", "", push.subject.slice(0, 1)), head, make("b", "", push.subject), make("p", "", push.body));
  note.addEventListener("click", () => act("click"));
  $("handset").className = "handset lock";
  $("handset").replaceChildren(make("div", "hour", minute.format(new Date(push.at))), make("div", "date", day.format(new Date(push.at))), note);
}

function about(title, facts, message) {
  $("phone-title").textContent = `${title}: ${message.template}`;
  $("phone-facts").replaceChildren(...facts.flatMap(([name, value]) => [make("dt", "", name), make("dd", "", value)]));
  $("phone-request").textContent = message.request;
  fate($("phone-fate"), message.happenings);
}

function acts(buttons) {
  $("phone-acts").replaceChildren(make("span", "", "Simulate"), ...buttons.map(([name, label]) => {
    const button = make("button", "", label);
    button.type = "button";
    button.addEventListener("click", () => act(name));
    return button;
  }));
}

const drawing = { mail: drawMail, text: drawText, push: drawPush };

async function load(kind, number) {
  const answer = await fetch(`/api/${places[kind]}/${number}`);
  if (answer.ok) drawing[kind](await answer.json());
}

async function act(name, button) {
  const answer = await post(`/api/${places[shown.kind]}/${shown.number}/${name}`);
  if (button) button.disabled = false;
  if (answer.ok) drawing[shown.kind](await answer.json());
  refresh();
}

function drawMail(mail) {
  show("mail", mail);
  $("subject").textContent = mail.subject;
  $("from").textContent = mail.from;
  $("to").textContent = mail.to;
  $("sent").textContent = `${when(mail.at, clock)} UTC`;
  fate($("fate"), mail.happenings);
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
  const found = location.hash.match(/^#(mail|text|push)-(\d+)$/);
  if (!found) { $("main").dataset.view = "list"; return; }
  await load(found[1], found[2]);
  shown.messages = "";
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
    await act(button.dataset.act, button);
  });
}
for (const back of document.querySelectorAll(".back")) back.addEventListener("click", () => { location.hash = ""; });
$("skip").addEventListener("click", async () => { $("skip").disabled = true; await post("/api/skip"); });
addEventListener("hashchange", route);
setInterval(refresh, 1500);
setInterval(tick, 1000);
route();
refresh();
