// Sound to picture: a performer who can be played, changed, compared and kept.
"use strict";

const QUICK = 5; // every fifth picture while a slider moves
const FIRST = 10; // every tenth when a sound is new; all others follow
const NO_SOUND = "The sound can't be loaded. Press play to try again.";

const player = { input: null, seed: 0, stages: [], shown: 0, wanted: 0, strips: 0, working: false };

async function showSound(input, name) {
  Object.assign(player, { input, seed: 0, shown: 0, stages: [] });
  byId("blend").value = 0;
  byId("player-title").textContent = name[0].toUpperCase() + name.slice(1);
  byId("audio").src = input.sound;
  byId("save-sound").href = input.sound;
  byId("save-sound").download = "sound.wav";
  byId("time").max = Math.max(0, input.seconds - 0.1).toFixed(1);
  byId("time").value = 0;
  clearStrip();
  nameSeeds();
  await perform(FIRST);
  if (input !== player.input) return; // another sound was given meanwhile
  Promise.all([drawStrip(), perform(1)]).catch(complain); // while the first can be looked at
}

// Nothing that was asked for before is drawn any more.
function clearStrip() {
  player.strips += 1;
  byId("strip-image").removeAttribute("src");
  byId("save-lms").removeAttribute("href");
}

// The sound's spectrogram, as a model takes it.
async function drawStrip() {
  clearStrip();
  const wish = player.strips;
  const answer = await unlessOutdated(() => wish === player.strips, ask("/api/lms", {
    input: player.input.id, model: byId("player-model").value,
  }));
  if (!answer) return;
  byId("strip-image").src = answer.lms;
  byId("save-lms").href = answer.lms;
  byId("save-lms").download = "spectrogram.png";
}

function settings() {
  return { input: player.input.id, seed: player.seed, towards: player.seed + 1, percent: Number(byId("blend").value) };
}

// Pictures of every so many windows; the newest wish is the one that is shown.
async function perform(every) {
  const wish = ++player.wanted;
  byId("film").hidden = true;
  byId("video").pause();
  byId("video").removeAttribute("src");
  const asked = chosen("player").map(async (name) => {
    const answer = await ask("/api/pictures", { ...settings(), model: name, every });
    return { ...answer, image: await loadImage(answer.sheet), name };
  });
  try {
    const stages = await unlessOutdated(() => wish === player.wanted, Promise.all(asked));
    if (stages) show(stages);
  } catch (error) {
    show([]); // what is there was made with other settings
    throw error;
  }
}

function show(stages) {
  player.stages = stages;
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
      const wish = player.wanted + 1;
      await perform(QUICK);
      if (wish !== player.wanted) return; // all pictures are asked for by now
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
  showTime(audio.currentTime);
  if (!audio.paused) requestAnimationFrame(follow);
}

async function playOrPause() {
  const audio = byId("audio");
  if (!audio.paused) {
    audio.pause();
    return;
  }
  if (audio.error) audio.load(); // it was lost: once more
  if (player.shown >= Number(byId("time").max)) audio.currentTime = 0;
  try {
    await audio.play();
    if (byId("message").textContent === NO_SOUND) say("", byId("notice").textContent);
  } catch (error) {
    if (error.name !== "AbortError") complain(new Refused(NO_SOUND));
    return; // AbortError: it was paused before it began
  }
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

function savePicture() {
  const canvases = [...byId("stages").querySelectorAll("canvas")];
  if (!canvases.length) return;
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
