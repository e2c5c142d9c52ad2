// The rating page: shows one screen at a time and holds no more than the server told.
"use strict";

const byId = (id) => document.getElementById(id);
const SCREENS = ["join", "welcome", "rate", "done"];
const PATIENCE_MS = 60000; // with a server that neither answers nor ends; a vote may be sent twice
const NO_SOUND = "The sound can't be loaded. Press play to try again.";

let state = null; // of /api/state: name, done, total, last; code only of a new rater
let place = 0; // of the picture on the screen
let ready = false; // whether it may be judged
let current = null; // {place, image, audio} on the screen
let next = null; // the same, loading ahead; it may fail while the server is away

class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function call(path, values) {
  const options = values === undefined ? {} : {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(values),
  };
  options.signal = AbortSignal.timeout?.(PATIENCE_MS);
  let answer, content;
  try {
    answer = await fetch(path, options);
    content = await answer.json();
  } catch {
    throw new Refused(0, "The server can't be reached. Nothing is lost: try again.");
  }
  if (!answer.ok) throw new Refused(answer.status, content.error);
  return content;
}

function show(screen) {
  if (byId(screen).hidden) window.scrollTo(0, 0);
  for (const id of SCREENS) byId(id).hidden = id !== screen;
  if (screen !== "rate") current?.audio.pause();
}

function say(text) {
  byId("message").textContent = text;
  byId("message").hidden = !text;
}

// Runs what a person asked for; what goes wrong is said on the page.
async function attempt(work) {
  try {
    say("");
    await work();
  } catch (error) {
    say(error instanceof Refused ? error.message : `Something went wrong: ${error.message}`);
    if (error.status === 401) show("join");
    // Another window of this browser went on meanwhile.
    if (error.status === 409 && state) await goOn().catch((worse) => say(worse.message));
  }
}

async function goOn() {
  state = await call("/api/state");
  await go(state.done);
}

// ---- Joining

function welcome(first) {
  byId("welcome-title").textContent = first ? `Welcome, ${state.name}` : `Welcome back, ${state.name}`;
  byId("code").textContent = state.code ?? "";
  byId("new-code").hidden = !state.code;
  byId("begin").textContent = state.done ? `Go on at picture ${Math.min(state.done + 1, state.total)} of ${state.total}` : "Begin";
  show("welcome");
  byId("begin").focus();
}

async function join(event) {
  event.preventDefault();
  const fields = new FormData(event.target);
  const byCode = !byId("code-field").hidden;
  await attempt(async () => {
    state = await call("/api/join", {
      name: byCode ? "" : fields.get("name"),
      code: byCode ? fields.get("code") : "",
      password: fields.get("password"),
    });
    event.target.reset();
    welcome(!byCode);
  });
}

function chooseCode() {
  const byCode = byId("code-field").hidden;
  byId("code-field").hidden = !byCode;
  byId("name-field").hidden = byCode;
  byId("code-field").querySelector("input").required = byCode;
  byId("name-field").querySelector("input").required = !byCode;
  byId("have-code").textContent = byCode ? "I am new here" : "I have a code from before";
  (byCode ? byId("code-field") : byId("name-field")).querySelector("input").focus();
}

// ---- Judging

function picture(at) {
  const image = new Image();
  image.src = `/api/picture/${at}`;
  image.alt = "The picture to judge";
  image.draggable = false;
  return image;
}

function load(at) {
  const audio = new Audio(`/api/sound/${at}`);
  audio.preload = "auto";
  return { place: at, image: picture(at), audio };
}

async function go(to) {
  place = to;
  ready = false;
  if (place >= state.total) {
    byId("done-total").textContent = state.total;
    show("done");
    return;
  }
  current?.audio.pause();
  current = next?.place === place ? next : load(place);
  next = null;
  const changing = place < state.done;
  byId("count").textContent = `${place + 1} of ${state.total}`;
  byId("progress").max = state.total;
  byId("progress").value = state.done;
  byId("changing").hidden = !changing;
  byId("back").disabled = state.done === 0;
  byId("back").textContent = changing ? "Leave it as it is" : "Change the last score";
  for (const button of byId("scores").children) {
    const chosen = changing && Number(button.dataset.score) === state.last;
    button.classList.toggle("chosen", chosen);
    button.setAttribute("aria-pressed", String(chosen));
    button.disabled = true;
  }
  show("rate");
  const shown = current;
  try {
    await whole(shown);
  } catch (error) {
    if (shown === current) throw error;
  }
  if (shown !== current) return;
  byId("picture").replaceChildren(shown.image);
  for (const button of byId("scores").children) button.disabled = false;
  ready = true;
  play();
  if (place === state.done && place + 1 < state.total) next = load(place + 1);
}

// Until the picture can be drawn: one that failed is asked for once more.
async function whole(shown) {
  try {
    await shown.image.decode();
  } catch {
    shown.image = picture(shown.place);
    try {
      await shown.image.decode();
    } catch {
      throw new Refused(0, "The picture can't be loaded. Nothing is lost: load the page again.");
    }
  }
}

async function play() {
  const { audio } = current;
  if (audio.error) audio.load(); // as the picture, once more
  audio.currentTime = 0;
  try {
    await audio.play();
    if (byId("message").textContent === NO_SOUND) say("");
    requestAnimationFrame(follow);
  } catch (error) {
    // Browsers forbid sound before the first touch; the button is there.
    if (error.name === "NotSupportedError") say(NO_SOUND);
  }
}

function follow() {
  const { audio } = current;
  const played = audio.paused ? 0 : audio.currentTime / audio.duration || 0;
  byId("play").style.setProperty("--played", played);
  if (!audio.paused) requestAnimationFrame(follow);
}

async function vote(score) {
  if (!ready) return;
  const judged = current;
  ready = false;
  await attempt(async () => {
    try {
      state = await call("/api/vote", { place, score });
    } catch (error) {
      if (judged === current) ready = true; // it is still there to be judged
      throw error;
    }
    await go(state.done);
  });
}

function back() {
  if (!state.done) return;
  const changing = place < state.done;
  attempt(() => go(changing ? state.done : state.done - 1));
}

function onKey(event) {
  if (byId("rate").hidden || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  if (/^[0-3]$/.test(event.key)) vote(Number(event.key));
  else if (event.key === " ") play();
  else if (event.key === "Backspace" || event.key === "ArrowLeft") back();
  else return;
  event.preventDefault();
}

// ---- Start

function fillScale(scores) {
  for (const { score, meaning } of scores) {
    const key = document.createElement("kbd");
    key.textContent = score;
    const text = document.createElement("span");
    text.textContent = meaning[0].toUpperCase() + meaning.slice(1);
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.score = score;
    button.setAttribute("aria-keyshortcuts", score);
    button.append(key, text);
    button.addEventListener("click", () => vote(score));
    byId("scores").append(button);
    const term = document.createElement("dt");
    term.append(key.cloneNode(true));
    const explanation = document.createElement("dd");
    explanation.textContent = text.textContent;
    byId("scale").append(term, explanation);
  }
}

async function start() {
  const study = await call("/api/study");
  fillScale(study.scores);
  for (const field of document.querySelectorAll(".password")) {
    field.hidden = !study.password;
    field.querySelector("input").required = study.password;
  }
  try {
    state = await call("/api/state");
  } catch (error) {
    if (error.status !== 401) throw error;
    show("join");
    return;
  }
  if (state.done >= state.total) await go(state.total);
  else welcome(false);
}

byId("join-form").addEventListener("submit", join);
byId("have-code").addEventListener("click", chooseCode);
byId("begin").addEventListener("click", () => attempt(() => go(state.done)));
byId("leave").addEventListener("click", () => attempt(async () => {
  await call("/api/leave", {});
  state = null;
  show("join");
}));
byId("play").addEventListener("click", play);
byId("back").addEventListener("click", back);
byId("done-back").addEventListener("click", () => attempt(() => go(state.done - 1)));
document.addEventListener("keydown", onKey);
attempt(start);
