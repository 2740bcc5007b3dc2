"use strict";
// The newest events on top; older ones than these go.
const EVENTS_SHOWN = 500;
// How often the queue's figures are read again.
const STATUS_EVERY_MS = 2000;

const byId = (id) => document.getElementById(id);
let isPaused = false;

byId("pause").onclick = () => {
  isPaused = !isPaused;
  byId("pause").textContent = isPaused ? "Go on" : "Pause";
};

function cell(text, name) {
  const span = document.createElement("span");
  span.className = name;
  span.textContent = text;
  return span;
}

function show(event) {
  const counter = document.querySelector(`[data-kind="${event.kind}"]`);
  if (counter) counter.textContent = String(Number(counter.textContent) + 1);
  if (isPaused) return;
  const item = document.createElement("li");
  item.append(cell(event.at.slice(11, 23), "at"), cell(event.kind.replaceAll("_", " "), "kind"), cell(event.text, "text"));
  const list = byId("events");
  list.prepend(item);
  while (list.children.length > EVENTS_SHOWN) list.lastChild.remove();
}

async function status() {
  try {
    const answer = await fetch("/api/status");
    const body = await answer.json();
    byId("ready").textContent = body.error || (body.ready ? "Ready." : "Not ready: " + body.reasons.join("; "));
    const items = Object.entries(body.deliveries || {}).map(([state, { count, oldest }]) => {
      const item = document.createElement("li");
      item.textContent = `${count} ${state}` + (state === "waiting" && oldest ? `, the oldest since ${oldest}` : "");
      return item;
    });
    byId("deliveries").replaceChildren(...items);
  } catch {
    byId("ready").textContent = "The node does not answer.";
  }
  setTimeout(status, STATUS_EVERY_MS);
}

new EventSource("/api/events").onmessage = (message) => show(JSON.parse(message.data));
status();
