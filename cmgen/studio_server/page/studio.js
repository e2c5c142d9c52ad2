// The studio's page: sends what it is given, shows and plays what the server makes of it.
"use strict";

const byId = (id) => document.getElementById(id);
const QUICK = 5; // every fifth picture first, then all of them
const MAX_RECORDING_SECONDS = 30;
const TRIES = 8;

let studio = null; // of /api/studio: models, examples, limits
let turn = 0; // counts what was given; answers to what came before are dropped
const player = { input: null, seed: 0, stages: [], shown: 0, wanted: 0, working: false };
const listener = { input: null, seed: 0, asked: 0 };
let recorder = null;

class Refused extends Error {}

const sleep = (seconds) => new Promise((done) => setTimeout(done, 1000 * seconds));

async function call(path, body, type = "application/json") {
  const options = body === undefined ? {} : { method: "POST", headers: { "Content-Type": type }, body };
  for (let attempt = 1; ; attempt += 1) {
    let answer, content;
    try {
      answer = await fetch(path, options);
      if (answer.status === 503 && attempt < TRIES) {
        await sleep(Number(answer.headers.get("Retry-After") || 2) * (0.5 + Math.random()));
        continue;
      }
      content = await answer.json();
    } catch {
      throw new Refused("The studio can't be reached. Is it still running? Then try again.");
    }
    if (!answer.ok) throw new Refused(content.error);
    return content;
  }
}

const ask = (path, values) => call(path, JSON.stringify(values));

function say(text, notice = "") {
  byId("message").textContent = text;
  byId("message").hidden = !text;
  byId("notice").textContent = notice;
  byId("notice").hidden = !notice;
}

// Runs what a person asked for; what goes wrong is said on the page.
async function attempt(work) {
  const result = byId("result");
  try {
    say("", byId("notice").textContent);
    result.ariaBusy = "true";
    await work();
  } catch (error) {
    say(error instanceof Refused ? error.message : `Something went wrong: ${error.message}`);
  } finally {
    result.ariaBusy = "false";
  }
}

function loadImage(address) {
  const image = new Image();
  image.src = address;
  return image.decode().then(() => image, () => {
    throw new Refused("A picture can't be loaded. Try again.");
  });
}

// ---- What goes in

async function give(file, name) {
  await attempt(async () => {
    say("");
    if (file.size > studio.max_bytes) {
      throw new Refused(`${name} is larger than ${studio.megabytes} MB. Give a smaller file.`);
    }
    try {
      await file.slice(0, 1).arrayBuffer();
    } catch {
      throw new Refused(`${name} can't be read. Give a file, not a folder.`);
    }
    press(null);
    const mine = ++turn;
    const address = `/api/upload?name=${encodeURIComponent(name)}`;
    const input = await call(address, file, "application/octet-stream");
    if (mine === turn) await take(input, name);
  });
}

async function giveExample(button, kind, number) {
  await attempt(async () => {
    say("");
    press(button);
    const mine = ++turn;
    const input = await ask("/api/example", { kind, number });
    if (mine === turn) await take(input, `${studio.examples[number]}, from the demo`);
  });
}

function press(button) {
  for (const other of document.querySelectorAll(".give [aria-pressed=true]")) other.ariaPressed = "false";
  if (button) button.ariaPressed = "true";
}

async function take(input, name) {
  const sound = input.kind === "sound";
  const task = sound ? "s2i" : "i2s";
  if (!studio.models.some((model) => model.task === task)) {
    throw new Refused(sound
      ? "This is a sound, and no exported model makes pictures of sounds (--task=s2i)."
      : "This is a picture, and no exported model makes sounds of pictures (--task=i2s).");
  }
  byId("audio").pause();
  for (const audio of document.querySelectorAll(".take audio")) audio.pause();
  say("", input.notice);
  await (sound ? showSound(input, name) : showPicture(input, name));
  byId("empty").hidden = true;
  byId("player").hidden = !sound;
  byId("listener").hidden = sound;
  // On a telephone the result is below.
  if (byId("result").getBoundingClientRect().top > innerHeight * 0.6) byId("result").scrollIntoView();
}

async function record() {
  if (recorder) {
    recorder.stop();
    return;
  }
  let stream;
  try {
    // What telephony does to speech would spoil music.
    const plain = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    stream = await navigator.mediaDevices.getUserMedia({ audio: plain });
  } catch {
    say("The microphone can't be used. Allow it in the browser, or give a file.");
    return;
  }
  const parts = [];
  const limit = Math.min(MAX_RECORDING_SECONDS, studio.seconds);
  const began = Date.now();
  recorder = new MediaRecorder(stream);
  recorder.addEventListener("dataavailable", (event) => parts.push(event.data));
  const clock = setInterval(() => {
    const seconds = (Date.now() - began) / 1000;
    byId("record-label").textContent = `Stop (${Math.floor(seconds)} s)`;
    if (seconds >= limit) recorder?.stop();
  }, 200);
  recorder.addEventListener("stop", () => {
    clearInterval(clock);
    for (const track of stream.getTracks()) track.stop();
    recorder = null;
    byId("record").classList.remove("recording");
    byId("record-label").textContent = "Record";
    give(new Blob(parts), "Your recording");
  });
  recorder.start();
  byId("record").classList.add("recording");
  byId("record-label").textContent = "Stop (0 s)";
}

// ---- Sound to picture

async function showSound(input, name) {
  Object.assign(player, { input, seed: 0, shown: 0, stages: [] });
  byId("blend").value = 0;
  byId("player-title").textContent = name[0].toUpperCase() + name.slice(1);
  byId("audio").src = input.sound;
  byId("save-sound").href = input.sound;
  byId("save-sound").download = "sound.wav";
  byId("time").max = Math.max(0, input.seconds - 0.1).toFixed(1);
  byId("time").value = 0;
  nameSeeds();
  await Promise.all([perform(QUICK), drawStrip()]);
  attempt(() => perform(1)); // the rest, while the first can be looked at
}

async function drawStrip() {
  const { lms } = await ask("/api/lms", { input: player.input.id, model: byId("player-model").value });
  byId("strip-image").src = lms;
  byId("save-lms").href = lms;
  byId("save-lms").download = "spectrogram.png";
}

const chosen = (who) => [byId(`${who}-model`).value, byId(`${who}-other`).value].filter(Boolean);

function settings() {
  return { input: player.input.id, seed: player.seed, towards: player.seed + 1, percent: Number(byId("blend").value) };
}

// Pictures of every so many windows; the newest wish is the one that is shown.
async function perform(every) {
  const wish = ++player.wanted;
  byId("film").hidden = true;
  byId("video").removeAttribute("src");
  const answers = await Promise.all(
    chosen("player").map((model) => ask("/api/pictures", { ...settings(), model, every })),
  );
  const sheets = await Promise.all(answers.map((answer) => loadImage(answer.sheet)));
  if (wish !== player.wanted) return;
  player.stages = answers.map((answer, i) => ({ ...answer, image: sheets[i], name: chosen("player")[i] }));
  setStages();
  draw();
}

// While a slider moves: one request at a time, and the last position for sure.
async function performWhileMoving() {
  if (player.working) return;
  player.working = true;
  let done;
  try {
    do {
      done = byId("blend").value;
      await perform(QUICK);
    } while (done !== byId("blend").value);
  } finally {
    player.working = false;
  }
}

function setStages() {
  const box = byId("stages");
  const names = player.stages.map((stage) => stage.name);
  if (box.dataset.names === names.join("\n")) return;
  box.dataset.names = names.join("\n");
  box.classList.toggle("two", names.length > 1);
  box.replaceChildren(...names.map((name) => {
    const part = byId("stage-template").content.cloneNode(true);
    const model = modelNamed(name);
    part.querySelector("figcaption").textContent = `What ${name} hears`;
    part.querySelector(".about").textContent = model.about;
    fillBars(part.querySelector(".bars"), model.classes);
    return part;
  }));
}

const modelNamed = (name) => studio.models.find((model) => model.name === name);

function fillBars(list, classes) {
  list.replaceChildren(...classes.map((name) => {
    const row = byId("bar-template").content.cloneNode(true);
    row.querySelector(".name").textContent = name;
    return row;
  }));
}

function setBars(list, probabilities) {
  const top = probabilities.indexOf(Math.max(...probabilities));
  [...list.children].forEach((row, i) => {
    row.classList.toggle("top", i === top);
    row.querySelector(".fill").style.setProperty("--share", probabilities[i]);
    row.querySelector(".percent").textContent = `${Math.round(100 * probabilities[i])} %`;
  });
  return list.children[top].querySelector(".name").textContent;
}

function draw() {
  const time = player.shown;
  player.stages.forEach((stage, i) => {
    const index = Math.min(stage.count - 1, Math.round(time / stage.step));
    const figure = byId("stages").children[i];
    const canvas = figure.querySelector("canvas");
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    const x = (index % stage.columns) * stage.size, y = Math.floor(index / stage.columns) * stage.size;
    context.drawImage(stage.image, x, y, stage.size, stage.size, 0, 0, canvas.width, canvas.height);
    const heard = setBars(figure.querySelector(".bars"), stage.probabilities[index]);
    canvas.ariaLabel = `Performer at ${time.toFixed(1)} s; the model hears: ${heard}`;
  });
  const { seconds } = player.input;
  byId("clock").textContent = `${time.toFixed(1)} of ${seconds.toFixed(1)} s`;
  byId("time").setAttribute("aria-valuetext", `${time.toFixed(1)} seconds`);
  const start = Math.max(0, Math.min(time - 0.25, seconds - 0.5));
  byId("window").style.setProperty("--left", `${(100 * start) / seconds}%`);
  byId("window").style.setProperty("--width", `${Math.min(100, 50 / seconds)}%`);
}

function showTime(time) {
  player.shown = Math.max(0, Math.min(time, Number(byId("time").max)));
  byId("time").value = player.shown;
  draw();
}

function seek(time) {
  byId("audio").currentTime = time;
  showTime(time);
}

function follow() {
  const audio = byId("audio");
  if (audio.paused) return;
  showTime(audio.currentTime);
  requestAnimationFrame(follow);
}

async function playOrPause() {
  const audio = byId("audio");
  if (!audio.paused) {
    audio.pause();
    return;
  }
  if (player.shown >= Number(byId("time").max)) audio.currentTime = 0;
  await audio.play();
  follow();
}

function setPlaying() {
  const playing = !byId("audio").paused;
  byId("play").classList.toggle("playing", playing);
  byId("play").ariaLabel = playing ? "Pause" : "Play";
}

function nameSeeds() {
  byId("performer").textContent = `performer ${player.seed + 1}`;
  byId("performer-next").textContent = `performer ${player.seed + 2}`;
  byId("blend").setAttribute("aria-valuetext", `${byId("blend").value} % of performer ${player.seed + 2}`);
}

async function anotherPerformer() {
  player.seed += 1;
  byId("blend").value = 0;
  nameSeeds();
  await perform(1);
}

function save(address, name) {
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
}

function savePicture() {
  const canvases = [...byId("stages").querySelectorAll("canvas")];
  const sheet = document.createElement("canvas");
  [sheet.width, sheet.height] = [512 * canvases.length, 512];
  canvases.forEach((canvas, i) => sheet.getContext("2d").drawImage(canvas, 512 * i, 0));
  sheet.toBlob((blob) => {
    const address = URL.createObjectURL(blob);
    save(address, "performer.png");
    setTimeout(() => URL.revokeObjectURL(address), 10000);
  });
}

async function makeVideo() {
  const button = byId("make-video");
  button.disabled = true;
  try {
    const wish = player.wanted;
    const { video } = await ask("/api/video", { ...settings(), models: chosen("player") });
    if (wish !== player.wanted) return;
    byId("audio").pause();
    byId("video").src = video;
    byId("save-video").href = video;
    byId("save-video").download = "performer.mp4";
    byId("film").hidden = false;
    byId("film").scrollIntoView({ block: "nearest" });
  } finally {
    button.disabled = false;
  }
}

// ---- Picture to sound

async function showPicture(input, name) {
  Object.assign(listener, { input, seed: 0 });
  byId("listener-title").textContent = name[0].toUpperCase() + name.slice(1);
  byId("seen").src = input.picture;
  await imagine();
}

async function imagine() {
  const wish = ++listener.asked;
  const names = chosen("listener");
  const seconds = Number(byId("duration").value);
  const answers = await Promise.all(names.map((model) => ask("/api/sound", {
    input: listener.input.id, model, seed: listener.seed, seconds,
  })));
  if (wish !== listener.asked) return;
  byId("take").textContent = `take ${listener.seed + 1}`;
  byId("seen-guesses").replaceChildren(...answers.map((answer, i) => {
    const box = document.createElement("div");
    const title = document.createElement("h3");
    const list = document.createElement("ol");
    title.textContent = `What ${names[i]} sees`;
    list.className = "bars";
    fillBars(list, modelNamed(names[i]).classes);
    setBars(list, answer.probabilities[0]);
    box.append(title, list);
    return box;
  }));
  const takes = answers.map((answer, i) => makeTake(`Made by ${names[i]}`, answer, "made"));
  if (answers[0].real) takes.push(makeTake("What really sounded", answers[0].real, "real"));
  byId("takes").replaceChildren(...takes);
}

function makeTake(title, { sound, lms }, kind) {
  const part = byId("take-template").content.firstElementChild.cloneNode(true);
  part.classList.add(kind);
  part.querySelector("h3").textContent = title;
  const audio = part.querySelector("audio");
  audio.src = sound;
  audio.ariaLabel = title;
  audio.addEventListener("play", () => {
    for (const other of document.querySelectorAll(".take audio")) if (other !== audio) other.pause();
  });
  part.querySelector("img").src = lms;
  part.querySelector("img").alt = `${title}: log-mel spectrogram`;
  for (const [selector, address, name] of [[".save-sound", sound, `${kind}.wav`], [".save-lms", lms, `${kind}.png`]]) {
    part.querySelector(selector).href = address;
    part.querySelector(selector).download = name;
  }
  return part;
}

// ---- Start

function fillModels(who, task) {
  const models = studio.models.filter((model) => model.task === task);
  byId(`${who}-model`).replaceChildren(...models.map((model) => new Option(model.name)));
  byId(`${who}-other`).replaceChildren(
    new Option("nothing", ""), ...models.map((model) => new Option(model.name)),
  );
  byId(`${who}-other`).parentElement.hidden = models.length < 2;
  return models.length > 0;
}

function fillExamples() {
  studio.examples.forEach((name, number) => {
    const chip = document.createElement("button");
    chip.type = "button";
    chip.className = "button";
    chip.textContent = name;
    chip.addEventListener("click", () => giveExample(chip, "sound", number));
    byId("sounds").append(chip);
    const thumb = document.createElement("button");
    thumb.type = "button";
    thumb.title = name;
    const image = new Image();
    image.alt = name;
    image.src = `/example/${number}.png`;
    thumb.append(image);
    thumb.addEventListener("click", () => giveExample(thumb, "picture", number));
    byId("thumbs").append(thumb);
  });
}

function onDrag(event) {
  if (![...event.dataTransfer.types].includes("Files")) return;
  event.preventDefault();
  document.body.classList.toggle("dragging", event.type === "dragover");
  const file = event.type === "drop" && event.dataTransfer.files[0];
  if (file) give(file, file.name);
}

function onKey(event) {
  const control = event.target.closest?.("button, a, input, select, audio, video, label");
  if (event.key !== " " || control || byId("player").hidden) return;
  event.preventDefault();
  playOrPause();
}

async function start() {
  studio = await call("/api/studio");
  const sounds = fillModels("player", "s2i"), pictures = fillModels("listener", "i2s");
  byId("call").textContent = `Drop ${[sounds && "a sound", pictures && "a picture"].filter(Boolean).join(" or ")} here`;
  byId("sound-examples").hidden = !sounds;
  byId("picture-examples").hidden = !pictures;
  byId("limits").textContent = `Any ${[sounds && "sound or video", pictures && "picture"].filter(Boolean).join(" or ")} file up to ${studio.megabytes} MB${sounds ? `; the first ${studio.seconds} s are used` : ""}.`;
  byId("record").hidden = !sounds || !navigator.mediaDevices || !window.MediaRecorder;
  byId("duration").replaceChildren(...studio.durations.map((s) => new Option(`${s} s`, s, s === 5, s === 5)));
  fillExamples();
}

const on = (id, event, work) => byId(id).addEventListener(event, work);
on("file", "change", () => {
  const [file] = byId("file").files;
  if (file) give(file, file.name);
  byId("file").value = ""; // the same file may be given again
});
on("record", "click", record);
on("play", "click", playOrPause);
for (const event of ["play", "pause", "ended"]) on("audio", event, setPlaying);
on("time", "input", () => seek(Number(byId("time").value)));
on("strip", "click", (event) => {
  const box = byId("strip").getBoundingClientRect();
  seek((player.input.seconds * (event.clientX - box.left)) / box.width);
});
on("another", "click", () => attempt(anotherPerformer));
on("blend", "input", () => {
  nameSeeds();
  performWhileMoving().catch(() => {}); // the last position is asked for again, and errors are said
});
on("blend", "change", () => attempt(() => perform(1)));
for (const id of ["player-model", "player-other"]) {
  on(id, "change", () => attempt(() => Promise.all([perform(1), drawStrip()])));
}
on("save-picture", "click", savePicture);
on("make-video", "click", () => attempt(makeVideo));
on("another-take", "click", () => attempt(() => {
  listener.seed += 1;
  return imagine();
}));
for (const id of ["listener-model", "listener-other", "duration"]) on(id, "change", () => attempt(imagine));
for (const event of ["dragover", "dragleave", "drop"]) document.addEventListener(event, onDrag);
document.addEventListener("keydown", onKey);
attempt(start);
