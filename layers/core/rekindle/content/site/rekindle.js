// The script on the shop's own site: what is looked at, for how long, and what is in the cart (docs/site.md).
//
// Nothing is stored or sent before the visitor agreed, by whichever way `config.consent` says, and nothing at all where
// their browser says Do Not Track or Global Privacy Control; but a form that they send themselves is sent.
// One request a visit, as far as that goes: when the page is hidden, unless another page of the shop follows it.
// Runs as it stands in every browser from Safari 13 on. The dialog of a popup comes in a file of its own, when one is due.
(function (config) {
  "use strict";
  const w = window, d = document, n = navigator, now = Date.now, VERSION = 1;
  if (n.webdriver || (w.rekindle && w.rekindle.version)) return;

  const IDLE = 30e3, CROWD = 40, AGAIN = 10;
  const self = d.currentScript || d.querySelector('script[src*="/rekindle.js"]');
  if (!self) return;
  const endpoint = self.src.replace(/\/site\/([^/]+)\/.*$/, "/collect/$1");
  const on = (where, names, act) => names.split(" ").forEach((name) => where.addEventListener(name, act, true));
  const one = (selector) => d.querySelector(selector);
  const has = (name) => d.body.classList.contains(name);
  const random = (length) =>
    Array.from(w.crypto.getRandomValues(new Uint8Array(length)), (byte) => (byte % 36).toString(36)).join("");
  const parsed = (text) => {
    try {
      return JSON.parse(text) || {};
    } catch (error) {
      return {};
    }
  };

  // --- what the browser keeps: a cookie with its id, one with the cart's, the visit so far, and what was closed or sent

  const kept = (area, value) => {
    try {
      if (value) w[area].setItem("rekindle", JSON.stringify(value));
      else return parsed(w[area].getItem("rekindle"));
    } catch (error) {
      // Storage is switched off: the visit ends with the page.
    }
    return {};
  };
  const cookie = (name) => (d.cookie.match("(?:^|; )" + name + "=([^;]*)") || [])[1] || "";
  const bake = (name, value, days) => {
    d.cookie = name + "=" + value + ";path=/;samesite=lax;max-age=" + days * 86400 + (location.protocol === "https:" ? ";secure" : "");
    return value;
  };
  const tagged = (name, length, days) => bake(name, /^[\w-]{16,64}$/.test(cookie(name)) ? cookie(name) : random(length), days);
  const browser = () => tagged("rekindle_id", 24, 90);

  // What is to be told is either here or in the session's storage, never in both: a page that comes back from the
  // browser's cache must not tell again what the page after it has told.
  let running = false, events = [], visit = "", hash = "", basket = "", seen = "", pushed = "", look = null, path = "", leaving = 0;
  let input = now(), last = now(), shown = 0, fetching = false, open = false;

  const recall = () => {
    const known = kept("sessionStorage");
    events = (known.events || []).concat(events);
    visit = visit || known.visit || "";
    kept("sessionStorage", { hash, basket, seen, pushed });
    return known;
  };
  const save = () => {
    recall();
    kept("sessionStorage", { events, visit, hash, basket, seen, pushed });
    events = [];
  };
  const add = (event) => {
    if (!running) return;
    events = events.filter((known) => !event.look || known.look !== event.look);
    events.push(Object.assign({ at: now() }, event));
    if (events.length >= CROWD) send();
  };

  // --- sending

  const written = (told, id) =>
    JSON.stringify({
      v: VERSION,
      browser: id,
      locale: n.language,
      zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
      visit: (running && visit) || undefined,
      events: told.map((event) => Object.assign({}, event, { at: undefined, ago: Math.max(0, now() - event.at) / 1e3 })),
    });
  const send = () => {
    if (!running) return;
    recall();
    if (!events.length && !visit) return;
    const body = written(events, browser());
    events = [];
    visit = "";
    if (!(n.sendBeacon && n.sendBeacon(endpoint, body))) post(body).catch(() => 0);
  };
  const post = (body) => fetch(endpoint, { method: "POST", body, keepalive: true, credentials: "omit" });

  // A form is sent whether or not there is consent, for whoever fills it in wants that; but then nothing is kept.
  const submit = (name, fields) => {
    const event = { type: "form.submitted", name, at: now(), url: location.href, email: fields.email, answers: fields };
    delete fields.email;
    const body = written([event], running ? browser() : random(24));
    return post(body).then((answer) => {
      if (!answer.ok) throw new Error(answer.status);
      remember("sent");
    });
  };

  // --- looking

  const note = () => {
    const seconds = look ? Math.round(look.ms / 1e3) : 0;
    if (!seconds || seconds < look.told + (look.told && AGAIN)) return;
    look.told = seconds;
    add(Object.assign({}, look.page, { at: look.at, look: look.id, seconds }));
  };
  const watch = (page) => {
    note();
    look = page && page.id ? { page, at: now(), id: random(8), ms: 0, told: 0 } : null;
  };
  const title = () => {
    const told = one('meta[property="og:title"]'), heading = one("h1");
    return (told && told.content) || (heading && heading.textContent) || d.title;
  };
  const term = (name) => new URLSearchParams(location.search).get(name);
  const number = (word) => (d.body.className.match("(?:^| )" + word + "-(\\d+)") || [])[1];
  const structured = () => {
    let found = null;
    d.querySelectorAll('script[type="application/ld+json"]').forEach((script) => {
      const told = parsed(script.textContent);
      [].concat(told["@graph"] || told).forEach((node) => {
        if (node && /^Product(Group)?$/.test([].concat(node["@type"])[0])) found = found || node;
      });
    });
    return found;
  };

  // What this page shows: what it says itself, else what the platform says, else what it tells search engines.
  const page = () => {
    const own = one("[data-rekindle-page]"), url = location.href.split("#")[0];
    if (own) return Object.assign({ url }, parsed(own.getAttribute("data-rekindle-page")));
    const meta = (w.ShopifyAnalytics && w.ShopifyAnalytics.meta) || {}, kind = (meta.page && meta.page.pageType) || "";
    const told = structured() || {}, offer = [].concat(told.offers || {})[0] || {};
    const priced = { price: offer.price || offer.lowPrice, currency: offer.priceCurrency };
    const product = (id, more) => Object.assign({ type: "product.viewed", id, title: told.name || title(), url }, priced, more);
    const category = (id) => ({ type: "category.viewed", id, title: title(), url });
    if (kind === "searchresults") return { type: "search.submitted", query: term("q") };
    if (kind === "collection") return category(meta.page.resourceId);
    if (meta.product) {
      const price = meta.product.variants && meta.product.variants[0] && meta.product.variants[0].price;
      return product(meta.product.id, Object.assign({ kind: meta.product.type }, price && { price: price / 100, currency: meta.currency }));
    }
    if (has("search")) return { type: "search.submitted", query: term("s") };
    if (has("tax-product_cat")) return category(number("term"));
    if (has("single-product")) return product(number("postid"));
    return told.name && product(told.productID || told.sku || told["@id"]);
  };
  const arrive = () => {
    path = location.pathname;
    leaving = 0;
    const shows = page() || {};
    watch(/viewed$/.test(shows.type) ? shows : null);
    if (shows.type === "search.submitted" && shows.query && shows.query !== seen) {
      seen = shows.query;
      add(shows);
    }
  };

  // --- a WooCommerce cart: read from the shop itself, whenever its cookie says that it has changed

  const cart = () => {
    if (config.platform !== "woocommerce" || fetching) return;
    const fresh = cookie("woocommerce_cart_hash");
    const type = has("woocommerce-checkout") ? "checkout.updated" : "cart.updated", mark = fresh && type + fresh;
    if (has("woocommerce-order-received")) {
      hash = basket = "";
      if (cookie("rekindle_cart")) bake("rekindle_cart", "", 0);
    } else if (mark !== hash) {
      hash = mark;
      fetching = true;
      const api = one('link[rel="https://api.w.org/"]');
      fetch(((api && api.href) || "/wp-json/") + "wc/store/v1/cart", { credentials: "same-origin" })
        .then((answer) => answer.json())
        .then((told) => {
          const totals = told.totals, unit = totals.currency_minor_unit;
          const money = (amount) => (amount / Math.pow(10, unit)).toFixed(unit);
          const event = {
            type,
            cart: tagged("rekindle_cart", 24, 60),
            currency: totals.currency_code,
            total: money(totals.total_price),
            codes: told.coupons.map((coupon) => coupon.code),
            items: told.items.map((item) => ({
              id: (item.extensions.rekindle || item).id,
              variation: item.type === "variation" ? item.id : undefined,
              variant: item.variation.map((part) => part.value).join(", "),
              title: item.name,
              quantity: item.quantity,
              price: money(item.prices.price),
              url: item.permalink,
            })),
          };
          if (JSON.stringify(event) !== basket) add(event);
          basket = JSON.stringify(event);
        })
        .catch(() => 0)
        .then(() => (fetching = false));
    }
  };

  // --- time: a second counts when the page is seen, is in front, and somebody did something lately

  const tick = () => {
    const passed = Math.min(now() - last, 1500);
    last = now();
    if (!running || d.visibilityState !== "visible") return;
    if (d.hasFocus() && last - input < IDLE) {
      if (look) look.ms += passed;
      shown += passed;
    }
    if (location.pathname !== path) arrive();
    cart();
    popups((popup) => popup.after && shown >= popup.after * 1e3);
  };
  const stays = (url) => {
    const to = new URL(url, location.href);
    return to.origin === location.origin && !(config.platform === "shopify" && /^\/checkout/.test(to.pathname)) ? now() : 0;
  };
  const hide = () => {
    if (!running) return;
    note();
    if (now() - leaving < 5e3) save();
    else send();
  };

  const fetched = (file, act) => {
    const made = d.createElement("script");
    made.src = self.src.replace(/[^/]*$/, file);
    made.onload = act;
    d.head.append(made);
  };

  // --- the sign-up popup

  const remember = (what) => {
    const known = kept("localStorage");
    known[what] = now();
    if (running) kept("localStorage", known);
  };
  const popups = (due) => {
    const known = kept("localStorage");
    if (!running || open || known.sent || has("woocommerce-checkout") || has("woocommerce-cart")) return;
    const popup = (config.popups || []).find(
      (each) =>
        due(each) &&
        now() - (known[each.name] || 0) > each.again * 864e5 &&
        !each.except.some((start) => location.pathname.indexOf(start) === 0),
    );
    if (popup) show(popup.name);
  };
  const show = (name) => {
    open = true;
    remember(name);
    fetched("popup.js", () => w.rekindle.dialog(name, submit, () => (open = false)));
  };

  // --- push: nobody is asked before the shop asks; a browser that has agreed tells anew, whoever uses it now

  const allowed = (known) => ({ type: "push.subscribed", at: now(), endpoint: known.endpoint, keys: known.keys });
  const push = () =>
    new Promise((done) => {
      const tell = (known) => post(written([allowed(known)], running ? browser() : random(24)));
      fetched("push.js", () => done(w.rekindle.ask(tell)));
    });
  const subscribed = () => {
    const workers = config.worker && n.serviceWorker && w.Notification && Notification.permission === "granted" && n.serviceWorker;
    if (!workers || pushed) return;
    workers
      .getRegistration(config.worker)
      .then((made) => made && made.pushManager.getSubscription())
      .then((known) => known && add(allowed(known.toJSON()), (pushed = "1")))
      .catch(() => 0);
  };

  // --- the beginning, and the end

  const listen = () => {
    on(w, "pointermove pointerdown keydown scroll touchmove wheel", () => (input = now()));
    on(d, "visibilitychange", () => (d.visibilityState === "hidden" ? hide() : (input = last = now())));
    on(w, "pagehide", hide);
    on(w, "pageshow", (event) => event.persisted && running && arrive());
    w.addEventListener("click", (event) => {
      const link = event.target.closest && event.target.closest("a[href]");
      const here = link && !event.defaultPrevented && !event.button && !event.metaKey && !event.ctrlKey && !event.shiftKey;
      if (here && (!link.target || link.target === "_self")) leaving = stays(link.href);
    });
    w.addEventListener("submit", (event) => {
      if (!event.defaultPrevented) leaving = stays(event.target.action);
    });
    if (w.navigation) {
      on(w.navigation, "navigate", (event) => {
        if (!event.destination.sameDocument && !event.downloadRequest) leaving = stays(event.destination.url);
      });
    }
    on(w, "scroll", () => {
      const part = (w.pageYOffset / Math.max(1, d.documentElement.scrollHeight - w.innerHeight)) * 100;
      popups((popup) => popup.scroll && part >= popup.scroll);
    });
    on(d, "mouseout", (event) => !event.relatedTarget && event.clientY <= 0 && popups((popup) => popup.exit));
    // WooCommerce tells of changes that its cookie learns of at the next page only.
    const touched = () => (hash = "?");
    on(d.body, "wc-blocks_added_to_cart wc-blocks_removed_from_cart", touched);
    if (w.jQuery) w.jQuery(d.body).on("added_to_cart removed_from_cart updated_cart_totals", touched);
    setInterval(tick, 1e3);
  };
  const begin = () => {
    running = true;
    input = last = now();
    browser();
    const known = recall();
    hash = known.hash || "";
    basket = known.basket || "";
    seen = known.seen || "";
    pushed = known.pushed || "";
    if (visit) remember("sent");
    arrive();
    cart();
    subscribed();
  };
  const end = () => {
    running = false;
    events = [];
    look = null;
    ["sessionStorage", "localStorage"].forEach((area) => {
      try {
        w[area].removeItem("rekindle");
      } catch (error) {
        // There is nothing to remove.
      }
    });
    ["rekindle_id", "rekindle_cart"].forEach((name) => cookie(name) && bake(name, "", 0));
  };
  const refused = n.globalPrivacyControl === true || n.doNotTrack === "1" || w.doNotTrack === "1";
  const consent = (given) => {
    if (given && !refused) running || begin();
    else end();
  };
  const ask = () => {
    if (config.consent === "assumed") consent(true);
    if (config.consent !== "platform") return;
    const shopify = () => {
      const privacy = w.Shopify.customerPrivacy;
      if (privacy && privacy.marketingAllowed) consent(privacy.marketingAllowed());
    };
    const wordpress = () => w.wp_has_consent && consent(w.wp_has_consent("marketing"));
    if (config.platform === "shopify") {
      on(d, "visitorConsentCollected", shopify);
      const load = (tries) => {
        if (w.Shopify && w.Shopify.loadFeatures) {
          w.Shopify.loadFeatures([{ name: "consent-tracking-api", version: "0.1" }], (error) => error || shopify());
        } else if (tries) setTimeout(load, 500, tries - 1);
      };
      load(20);
    } else {
      on(d, "wp_listen_for_consent_change wp_consent_type_defined", wordpress);
      wordpress();
    }
  };

  const commands = {
    consent,
    track: (type, about) => {
      const told = Object.assign({ url: location.href }, about, { type });
      if (/viewed$/.test(type)) watch(told);
      else add(told);
    },
    popup: show,
    push,
    submit,
  };
  const start = () => {
    const url = new URL(location.href), waiting = (w.rekindle && w.rekindle.q) || [];
    visit = url.searchParams.get("rk_visit") || "";
    url.searchParams.delete("rk_visit");
    if (visit) history.replaceState(history.state, "", url);
    w.rekindle = function (name) {
      return commands[name].apply(0, [].slice.call(arguments, 1));
    };
    w.rekindle.version = VERSION;
    listen();
    on(d, "click", (event) => event.target.closest && event.target.closest("[data-rekindle-push]") && push());
    on(d, "submit", (event) => {
      const form = event.target, name = form.getAttribute && form.getAttribute("data-rekindle-form");
      if (!name) return;
      event.preventDefault();
      const fields = {};
      new FormData(form).forEach((value, key) => (fields[key] = fields[key] ? [].concat(fields[key], value) : value));
      submit(name, fields).then(
        () => form.setAttribute("data-rekindle-sent", ""),
        () => form.setAttribute("data-rekindle-failed", ""),
      );
    });
    ask();
    waiting.forEach((args) => w.rekindle.apply(0, args));
  };
  if (d.readyState === "loading") on(d, "DOMContentLoaded", start);
  else start();
})(CONFIG);
