// Follows one job: asks how far it is every two seconds, less often while nothing answers, not at all while nobody
// looks. Loads the page again when its state is another, its plan is made, or its reader may not see it any more: the
// page then says why, and leads to sign in again.
const EVERY_MS = 2000;
const SLOWEST_MS = 60000;
const NOT_YOURS = [401, 403, 404];

const watched = document.getElementById("watch");
const part = Object.fromEntries(["phase", "amount", "bar", "pace", "again"].map((id) => [id, document.getElementById(id)]));
const { job, state, planned } = watched.dataset;
const number = new Intl.NumberFormat("en");
let pause = EVERY_MS;
let timer = 0;
let answered = false;

function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function seconds(left) {
  if (left < 90) return `${Math.max(1, Math.round(left))} s`;
  return left < 5400 ? `${Math.round(left / 60)} min` : `${(left / 3600).toFixed(1)} h`;
}

function pace(told) {
  const passed = (new Date(told.at) - new Date(told.since)) / 1000;
  if (!(passed >= 1) || !told.done || told.phase === "wait") return "";
  const rate = told.done / passed;
  const left = told.total ? Math.max(0, told.total - told.done) / rate : 0;
  const words = [`${number.format(Math.round(rate))}/s`];
  if (left >= 1) words.push(`about ${seconds(left)} left in this phase`);
  if (told.rejected) words.push(`${number.format(told.rejected)} rejected`);
  return words.join(", ") + ".";
}

function show(told) {
  const words = told.phase ?? (told.state === "Queued" ? waiting(told) : "at work");
  say(part.phase, told.stopping ? `${words}, and stopping` : words);
  const counted = told.phase && (told.done || told.total);
  const unit = told.phase === "wait" ? " s" : "";
  say(part.amount, counted ? number.format(told.done) + (told.total ? ` of ${number.format(told.total)}` : "") + unit : "");
  if (told.total) {
    part.bar.max = told.total;
    part.bar.value = Math.min(told.done, told.total);
  } else {
    part.bar.removeAttribute("value");
  }
  say(part.pace, pace(told));
}

function waiting(told) {
  if (!told.before) return "next in turn";
  return told.before === 1 ? "1 job comes before it" : `${number.format(told.before)} jobs come before it`;
}

async function look() {
  try {
    const answer = await fetch(`/api/jobs/${encodeURIComponent(job)}/progress`, { headers: { accept: "application/json" } });
    if (answered && NOT_YOURS.includes(answer.status)) {
      location.reload();
      return;
    }
    if (!answer.ok) throw new Error(String(answer.status));
    const told = await answer.json();
    if (told.state !== state || (told.phase === "apply" && !planned)) {
      location.reload();
      return;
    }
    show(told);
    answered = true;
    pause = EVERY_MS;
  } catch {
    pause = Math.min(pause * 2, SLOWEST_MS);
    say(part.pace, `No answer; asking again in ${seconds(pause / 1000)}.`);
  }
  later();
}

function later() {
  clearTimeout(timer);
  timer = document.hidden ? 0 : setTimeout(look, pause);
}

document.addEventListener("visibilitychange", () => {
  clearTimeout(timer);
  if (!document.hidden) look();
});

part.again.hidden = true;
look();
