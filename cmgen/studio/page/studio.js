// The studio's page: takes what it is given, and shows it in the panel for it.
"use strict";

const MAX_RECORDING_SECONDS = 30;

let turn = 0; // counts what was given; answers to what came before are dropped
let recorder = null;

async function give(file, name) {
  await attempt(async () => {
    const mine = ++turn;
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
    try {
      const input = await ask("/api/example", { kind, number });
      if (mine === turn) await take(input, `${studio.examples[number]}, from the demo`);
    } catch (error) {
      if (mine !== turn) return; // something else was given meanwhile
      press(null);
      throw error;
    }
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
  for (const sounding of document.querySelectorAll(".take audio, video")) sounding.pause();
  say("", input.notice);
  const mine = turn;
  await (sound ? showSound(input, name) : showPicture(input, name));
  if (mine !== turn) return;
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
  byId("record").disabled = true; // until it is known whether there is a microphone
  try {
    // What telephony does to speech would spoil music.
    const plain = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    stream = await navigator.mediaDevices.getUserMedia({ audio: plain });
  } catch {
    say("The microphone can't be used. Allow it in the browser, or give a file.");
    return;
  } finally {
    byId("record").disabled = false;
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
  byId("limits").textContent = `Any ${[sounds && "sound, video", pictures && "picture"].filter(Boolean).join(" or ")} file up to ${studio.megabytes} MB${sounds ? `; the first ${studio.seconds} s are used` : ""}.`;
  byId("private").hidden = !["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
  byId("record").hidden = !sounds || !navigator.mediaDevices || !window.MediaRecorder;
  byId("duration").replaceChildren(...studio.durations.map((s) => new Option(`${s} s`, s, s === 5, s === 5)));
  fillExamples();
}

on("file", "change", () => {
  const [file] = byId("file").files;
  if (file) give(file, file.name);
  byId("file").value = ""; // the same file may be given again
});
on("record", "click", record);
for (const event of ["dragover", "dragleave", "drop"]) document.addEventListener(event, onDrag);
document.addEventListener("keydown", onKey);
attempt(start);
