// The dialog of a sign-up popup: fetched by rekindle.js when one is due, and by nobody else (docs/site.md).
//
// It stands in a shadow tree, so that the theme's styles and it leave one another alone. The keyboard stays inside, Escape
// and a click beside it close it, and what had the focus before gets it back.
(function (config) {
  "use strict";
  const d = document;
  const CSS = `
    .veil { position: fixed; inset: 0; top: 0; right: 0; bottom: 0; left: 0; z-index: 2147483000; display: flex;
      align-items: center; justify-content: center; padding: 16px; background: rgba(0, 0, 0, .5); overflow: auto; }
    .box { position: relative; box-sizing: border-box; width: 100%; max-width: 420px; margin: auto; padding: 36px 28px 28px;
      border-radius: 14px; background: var(--surface); color: var(--text); font: 16px/1.5 var(--font);
      box-shadow: 0 12px 48px rgba(0, 0, 0, .3); text-align: start; overflow-wrap: anywhere; }
    .box:focus { outline: 0; }
    h2 { margin: 0 32px 8px 0; font-size: 24px; line-height: 1.25; }
    [dir=rtl] h2 { margin: 0 0 8px 32px; }
    p { margin: 0 0 20px; }
    label { display: block; margin: 0 0 6px; font-weight: 600; }
    input { box-sizing: border-box; width: 100%; min-height: 48px; margin: 0 0 12px; padding: 10px 14px; font: inherit;
      color: inherit; background: transparent; border: 1px solid var(--muted); border-radius: 8px; }
    button { width: 100%; min-height: 48px; padding: 10px 20px; border: 0; border-radius: 8px; font: inherit; font-weight: 600;
      background: var(--accent); color: var(--on_accent); cursor: pointer; }
    button:disabled { opacity: .6; cursor: default; }
    input:focus-visible, button:focus-visible { outline: 3px solid #4c8bf5; outline-offset: 2px; }
    .close { position: absolute; top: 8px; right: 8px; width: 44px; min-height: 44px; padding: 0; font-size: 26px;
      line-height: 1; background: transparent; color: inherit; font-weight: 400; }
    [dir=rtl] .close { right: auto; left: 8px; }
    .told { margin: 12px 0 0; min-height: 0; }
    .told:empty { display: none; }
    .small { margin: 16px 0 0; font-size: 14px; color: var(--muted); }
    .trap { position: absolute; left: -9999px; height: 1px; min-height: 0; }
    @media (prefers-reduced-motion: no-preference) {
      .box { animation: rise .18s ease-out; }
      @keyframes rise { from { opacity: 0; transform: translateY(12px); } }
    }
  `;

  const make = (name, attributes, words) => {
    const made = d.createElement(name);
    Object.keys(attributes).forEach((key) => made.setAttribute(key, attributes[key]));
    if (words) made.textContent = words;
    return made;
  };

  // The page's language, else the shop's, else the first that there is.
  const spoken = (texts) => {
    const names = Object.keys(texts), shop = config.locale.toLowerCase();
    const page = (d.documentElement.lang || navigator.language || "").toLowerCase();
    return [page, /^zh/.test(page) ? "zh-hant" : page.split("-")[0], shop, shop.split("-")[0]]
      .map((name) => names.find((known) => known.toLowerCase() === name))
      .find(Boolean) || names[0];
  };

  window.rekindle.dialog = function (name, submit, done) {
    const popup = config.popups[name];
    if (!popup) return done();
    const lang = spoken(popup.texts), text = popup.texts[lang], before = d.activeElement;
    const host = make("div", { "data-rekindle-popup": name }), root = host.attachShadow({ mode: "open" });
    Object.keys(config.look).forEach((key) => host.style.setProperty("--" + key, config.look[key]));
    const veil = make("div", { class: "veil" });
    const box = make("div", {
      class: "box",
      role: "dialog",
      "aria-modal": "true",
      "aria-labelledby": "heading",
      "aria-describedby": "text",
      tabindex: "-1",
      lang,
      dir: /^(ar|fa|he|ur)/.test(lang) ? "rtl" : "ltr",
    });
    const close = make("button", { class: "close", type: "button", "aria-label": text.close }, "×");
    const form = make("form", {});
    const email = make("input", { id: "email", name: "email", type: "email", autocomplete: "email", required: "", maxlength: "254", dir: "ltr" });
    // No person sees it; whoever fills it in is no person.
    const trap = make("input", { class: "trap", name: "website", tabindex: "-1", autocomplete: "off", "aria-hidden": "true" });
    const button = make("button", { type: "submit" }, text.button);
    const told = make("p", { class: "told", role: "status" });
    form.append(make("label", { for: "email" }, text.email), email, trap);
    const more = { first_name: ["text", "given-name", text.name], birthday: ["date", "bday", text.birthday] };
    (popup.asks || []).forEach((name) => {
      const [type, autocomplete, label] = more[name];
      form.append(make("label", { for: name }, label), make("input", { id: name, name, type, autocomplete, maxlength: "60" }));
    });
    form.append(button);
    box.append(close, make("h2", { id: "heading" }, text.heading), make("p", { id: "text" }, text.text), form, told);
    if (text.small) box.append(make("p", { class: "small" }, text.small));
    veil.append(box);
    root.append(make("style", {}, CSS), veil);

    const end = () => {
      d.removeEventListener("keydown", keys, true);
      host.remove();
      if (before && before.focus) before.focus();
      done();
    };
    const keys = (event) => {
      if (event.key === "Escape") end();
      if (event.key !== "Tab") return;
      const stops = Array.from(box.querySelectorAll("button, input:not(.trap)")).filter((stop) => !stop.disabled);
      const at = stops.indexOf(root.activeElement), step = event.shiftKey ? (at < 0 ? 0 : -1) : 1;
      event.preventDefault();
      stops[(at + step + stops.length) % stops.length].focus();
    };
    close.onclick = end;
    veil.onclick = (event) => {
      if (event.target === veil) end();
    };
    form.onsubmit = (event) => {
      event.preventDefault();
      button.disabled = true;
      told.textContent = "";
      const fields = { shown_in: lang };
      form.querySelectorAll("input:not(.trap)").forEach((field) => field.value && (fields[field.name] = field.value));
      (trap.value ? Promise.resolve() : submit(popup.form, fields)).then(
        () => {
          form.remove();
          told.textContent = text.thanks;
          close.focus();
          if (!text.push || !config.push) return;
          const more = make("button", { type: "button" }, text.push);
          more.onclick = () => window.rekindle("push").then(end, end);
          told.after(more);
        },
        () => {
          button.disabled = false;
          told.textContent = text.failed;
        },
      );
    };
    d.addEventListener("keydown", keys, true);
    d.body.append(host);
    email.focus();
  };
})(CONFIG);
