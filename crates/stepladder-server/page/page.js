"use strict";
// Sends photos to the server that this page came from, and shows what it says of them.

const $ = (id) => document.getElementById(id);
// So many photos are sent before the first of them is answered.
const AT_ONCE = 4;
// Classes shown of each photo.
const SHOWN = 5;
// The short side of what is drawn, in pixels.
const SIDE = 352;
// What of a photo a model is shown, by its `fit`.
const LOOKS_AT = {
  square: { crop: "the central square", pad: "the whole photo", stretch: "the whole photo, stretched to a square" },
  other: { crop: "the central part", pad: "the whole photo", stretch: "the whole photo, stretched to its input" },
};

let models = [];
let token = "";
let waiting = [];
let sending = 0;

function headers(more) {
  return token ? { ...more, Authorization: `Bearer ${token}` } : { ...more };
}

function say(text, wrong = false) {
  $("status").textContent = text;
  $("status").classList.toggle("wrong", wrong);
}

// The answer as JSON, or an error in the server's words.
async function fetched(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("The server does not answer. Is it still running?");
  }
  const document = await response.json().catch(() => ({}));
  if (response.ok) return document;
  const error = new Error(document.error?.message ?? `The server says ${response.status}.`);
  error.status = response.status;
  throw error;
}

async function loadModels() {
  try {
    models = (await fetched("v1/models", { headers: headers() })).models;
  } catch (error) {
    $("unlock").hidden = error.status !== 401;
    say(error.status === 401 && !token ? "This server asks for a token." : error.message, Boolean(token) || error.status !== 401);
    return;
  }
  $("unlock").hidden = true;
  say("");
  $("model").replaceChildren(...models.map((model) => new Option(model.name, model.name)));
  describe();
}

function describe() {
  const model = models.find((model) => model.name === $("model").value);
  if (!model) return;
  const names = model.classes.length > 12 ? `${model.classes.slice(0, 12).join(", ")}, ..` : model.classes.join(", ");
  const calibrated = model.temperature === null ? "not calibrated" : "calibrated";
  $("about").textContent =
    `It knows ${model.classes.length} classes (${names}) and nothing else. It looks at ${LOOKS_AT[Array.isArray(model.size) ? "other" : "square"][model.fit]}; its probabilities are ${calibrated}.`;
}

function add(files) {
  for (const file of files) {
    const answer = $("answer").content.firstElementChild.cloneNode(true);
    answer.querySelector("figcaption").textContent = file.name;
    answer.querySelector(".class").textContent = "…";
    $("list").prepend(answer);
    waiting.push({ file, answer });
  }
  $("none").hidden = true;
  $("clear").hidden = false;
  next();
}

function next() {
  while (sending < AT_ONCE && waiting.length > 0) {
    sending += 1;
    ask(waiting.shift()).finally(() => {
      sending -= 1;
      next();
    });
  }
}

async function ask({ file, answer }) {
  const model = models.find((model) => model.name === $("model").value);
  const drawing = draw(file, answer.querySelector(".picture"), model);
  const unsure = Number($("unsure").value) / 100;
  const query = new URLSearchParams({ model: $("model").value, top: SHOWN, heat: $("heat").checked, tta: $("tta").checked });
  if (unsure > 0) query.set("unsure", unsure);
  const options = { method: "POST", body: file, headers: headers({ "Content-Type": "application/octet-stream" }) };
  try {
    for (let attempt = 0; ; attempt += 1) {
      try {
        const { photos } = await fetched(`v1/predict?${query}`, options);
        show(answer, photos[0]);
        break;
      } catch (error) {
        if (error.status !== 429 || attempt === 5) throw error;
        await new Promise((done) => setTimeout(done, 500 * (attempt + 1)));
      }
    }
  } catch (error) {
    if (error.status === 401) $("unlock").hidden = false;
    const said = answer.querySelector(".class");
    said.textContent = error.message.replace(/^photo 1: /, "");
    said.classList.add("wrong");
  }
  await drawing;
}

function show(answer, photo) {
  const best = photo.classes[0].class;
  answer.querySelector(".class").textContent = photo.class ?? `Unsure (${best}?)`;
  const rows = photo.classes.map(({ class: name, probability }) => {
    const row = document.createElement("tr");
    const head = document.createElement("th");
    head.scope = "row";
    head.textContent = name;
    const share = document.createElement("progress");
    share.max = 1;
    share.value = probability;
    share.setAttribute("aria-hidden", "true");
    const bar = document.createElement("td");
    bar.className = "share";
    bar.append(share);
    const number = document.createElement("td");
    number.className = "number";
    number.textContent = `${(100 * probability).toFixed(1)}%`;
    row.append(head, bar, number);
    return row;
  });
  answer.querySelector("tbody").replaceChildren(...rows);
  if (photo.heat) warm(answer.querySelector(".warm"), photo.heat, answer.querySelector(".picture"));
}

// What the network sees; browsers turn photos upright by themselves.
async function draw(file, canvas, model) {
  const sides = Array.isArray(model?.size) ? model.size : [1, 1];
  [canvas.height, canvas.width] = sides.map((side) => Math.round((side * SIDE) / Math.min(...sides)));
  canvas.parentElement.style.aspectRatio = `${canvas.width} / ${canvas.height}`;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", file.name);
  try {
    const picture = await createImageBitmap(file);
    const context = canvas.getContext("2d");
    const factors = [canvas.width / picture.width, canvas.height / picture.height];
    const factor = model?.fit === "pad" ? Math.min(...factors) : Math.max(...factors);
    const [wide, high] = model?.fit === "stretch" ? factors : [factor, factor];
    const [width, height] = [picture.width * wide, picture.height * high];
    context.fillStyle = "rgb(128 128 128)";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(picture, (canvas.width - width) / 2, (canvas.height - height) / 2, width, height);
    picture.close();
  } catch {
    // A format that the server reads and the browser does not.
  }
}

// The heat map over the photo: clear where nothing speaks for the class, then yellow, then red.
function warm(canvas, heat, picture) {
  const small = new OffscreenCanvas(heat.width, heat.height);
  const pixels = new ImageData(heat.width, heat.height);
  heat.values.forEach((value, at) => {
    pixels.data.set([255, 220 * (1 - value), 0, 255 * Math.min(1, 2 * value)], 4 * at);
  });
  small.getContext("2d").putImageData(pixels, 0, 0);
  [canvas.width, canvas.height] = [picture.width, picture.height];
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(small, 0, 0, canvas.width, canvas.height);
}

async function openCamera() {
  if (!navigator.mediaDevices) {
    say("Browsers give the camera to pages on this machine or behind HTTPS alone.", true);
    return;
  }
  try {
    $("video").srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch (error) {
    say(`The camera is not to be had: ${error.message}.`, true);
    return;
  }
  $("viewer").hidden = false;
  say("");
  await $("video").play();
}

function closeCamera() {
  for (const track of $("video").srcObject?.getTracks() ?? []) track.stop();
  $("video").srcObject = null;
  $("viewer").hidden = true;
}

function takePhoto() {
  const video = $("video");
  const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
  canvas.getContext("2d").drawImage(video, 0, 0);
  canvas.convertToBlob({ type: "image/jpeg", quality: 0.95 }).then((blob) => {
    add([new File([blob], `camera ${new Date().toLocaleTimeString()}`)]);
  });
}

$("choose").addEventListener("click", () => $("files").click());
$("files").addEventListener("change", () => {
  add($("files").files);
  $("files").value = "";
});
for (const kind of ["dragenter", "dragover"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    $("drop").classList.add("over");
  });
}
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) $("drop").classList.remove("over");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  $("drop").classList.remove("over");
  add(event.dataTransfer.files);
});
document.addEventListener("paste", (event) => add(event.clipboardData.files));
$("camera").addEventListener("click", openCamera);
$("close").addEventListener("click", closeCamera);
$("take").addEventListener("click", takePhoto);
$("model").addEventListener("change", describe);
$("clear").addEventListener("click", () => {
  waiting = [];
  $("list").replaceChildren();
  $("none").hidden = false;
  $("clear").hidden = true;
});
$("unlock").addEventListener("submit", (event) => {
  event.preventDefault();
  token = $("token").value;
  loadModels();
});
loadModels();
