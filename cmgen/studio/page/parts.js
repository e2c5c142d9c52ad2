// What all parts of the page use: calls of the server, messages, bars of probabilities.
"use strict";

const byId = (id) => document.getElementById(id);
const on = (id, event, work) => byId(id).addEventListener(event, work);
const sleep = (seconds) => new Promise((done) => setTimeout(done, 1000 * seconds));
const TRIES = 8; // of a request that the studio is too busy for

let studio = null; // of /api/studio: models, examples, limits
let busy = 0; // how much that was asked for has not come yet

class Refused extends Error {}

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

// What was promised, or null if something newer was asked for meanwhile: then its errors matter to nobody.
async function unlessOutdated(newest, promise) {
  try {
    const found = await promise;
    return newest() ? found : null;
  } catch (error) {
    if (newest()) throw error;
    return null;
  }
}

const ask = (path, values) => call(path, JSON.stringify(values));

function say(text, notice = "") {
  byId("message").textContent = text;
  byId("message").hidden = !text;
  byId("notice").textContent = notice;
  byId("notice").hidden = !notice;
}

// The page is busy until what a person asked for has come; what follows by itself does not count.
function setBusy(more) {
  busy += more;
  byId("result").ariaBusy = String(busy > 0);
}

// Runs what a person asked for; what goes wrong is said on the page.
async function attempt(work) {
  say("", byId("notice").textContent);
  setBusy(+1);
  try {
    await work();
  } catch (error) {
    complain(error);
  } finally {
    setBusy(-1);
  }
}

function complain(error) {
  const text = error instanceof Refused ? error.message : `Something went wrong: ${error.message}`;
  say(text, byId("notice").textContent);
}

function loadImage(address) {
  const image = new Image();
  image.src = address;
  return image.decode().then(() => image, () => {
    throw new Refused("A picture can't be loaded. Try again.");
  });
}

// The models that are chosen in a panel: one, or two to compare.
const chosen = (who) => [byId(`${who}-model`).value, byId(`${who}-other`).value].filter(Boolean);

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
    row.classList.toggle("best", i === top);
    row.querySelector(".fill").style.setProperty("--share", probabilities[i]);
    row.querySelector(".percent").textContent = `${Math.round(100 * probabilities[i])} %`;
  });
  return list.children[top].querySelector(".name").textContent;
}

function save(address, name) {
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
}
