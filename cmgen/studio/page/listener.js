// Picture to sound: takes that can be heard, compared with the real one and kept.
"use strict";

const listener = { input: null, seed: 0, asked: 0 };

async function showPicture(input, name) {
  Object.assign(listener, { input, seed: 0 });
  byId("listener-title").textContent = name[0].toUpperCase() + name.slice(1);
  byId("seen").src = input.picture;
  for (const id of ["takes", "seen-guesses"]) byId(id).replaceChildren(); // the last picture's
  await imagine();
}

async function imagine() {
  const wish = ++listener.asked;
  const names = chosen("listener");
  const seconds = Number(byId("duration").value);
  const asked = names.map((model) => ask("/api/sound", {
    input: listener.input.id, model, seed: listener.seed, seconds,
  }));
  const answers = await unlessOutdated(() => wish === listener.asked, Promise.all(asked));
  if (!answers) return;
  byId("take").textContent = `take ${listener.seed + 1}`;
  byId("seen-guesses").replaceChildren(...answers.map((answer, i) => {
    const box = document.createElement("div");
    const title = document.createElement("h3");
    const list = document.createElement("ol");
    title.textContent = `What ${names[i]} sees`;
    list.className = "bars";
    fillBars(list, modelNamed(names[i]).classes);
    setBars(list, answer.probabilities);
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

on("another-take", "click", () => attempt(() => {
  listener.seed += 1;
  return imagine();
}));
for (const id of ["listener-model", "listener-other", "duration"]) on(id, "change", () => attempt(imagine));
