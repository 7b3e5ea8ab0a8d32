// The sample shop's own script, as text: a toy consent platform, the buttons, the panel. Browsers run it as it stands.

/** Expects `window.CHOICES`: the strings after "accept all" and after "reject all". */
export const SHOP_SCRIPT = `
(function () {
  var choice = sessionStorage.getItem('choice');
  var listeners = [];

  // The consent platform: the part of the TCF CMP API that scripts use (IAB Tech Lab, CMP API v2).
  function tcData(listenerId) {
    var strings = CHOICES[choice] || {};
    return {
      tcString: strings.tcf || '', addtlConsent: strings.additional_consent || '', tcfPolicyVersion: 5,
      cmpId: 28, cmpVersion: 1, gdprApplies: true, cmpStatus: 'loaded', listenerId: listenerId,
      eventStatus: choice ? 'useractioncomplete' : 'cmpuishown', isServiceSpecific: true
    };
  }
  window.__tcfapi = function (command, version, callback, parameter) {
    if (command === 'getTCData') callback(tcData(), true);
    else if (command === 'addEventListener') callback(tcData(listeners.push(callback) - 1), true);
    else if (command === 'removeEventListener') { delete listeners[parameter]; callback(true); }
    else if (command === 'ping') callback({ gdprApplies: true, cmpLoaded: true, cmpStatus: 'loaded', apiVersion: '2.2' });
    else callback(null, false);
  };
  function keep() {
    var strings = CHOICES[choice];
    document.cookie = 'euconsent-v2=' + (strings ? strings.tcf : '') + '; Path=/; SameSite=Lax' + (strings ? '' : '; Max-Age=0');
  }
  function decide(next) {
    choice = next;
    sessionStorage.setItem('choice', next);
    keep();
    listeners.forEach(function (listener, id) { listener(tcData(id), true); });
    sluice('consent');
    show();
  }
  function show() {
    document.getElementById('choice').textContent =
      choice === 'accept' ? 'all accepted' : choice === 'reject' ? 'all rejected' : 'not answered yet';
  }
  keep();

  // The shop.
  function track(name) {
    var params = {
      currency: 'EUR', value: 24,
      items: [{ item_id: 'MUG-350', item_name: 'Stoneware mug', price: 24, quantity: 1 }]
    };
    var email = document.getElementById('email').value.trim();
    if (name !== 'view_item' && email) params.user = { email: email };
    if (name === 'purchase') params.transaction_id = 'web-' + Date.now();
    sluice('track', name, params);
  }

  // The panel.
  function line(className, text) {
    var element = document.createElement('div');
    element.className = className;
    element.textContent = text;
    return element;
  }
  function item(activity) {
    var element = document.createElement('li');
    var time = new Date(activity.acceptedMs).toLocaleTimeString();
    element.append(line('event', activity.eventName + ' at ' + time));
    activity.decisions.forEach(function (one) {
      var text = one.destination + ': ' + one.verdict + ', ' + one.reason;
      element.append(line(one.verdict, text), line('hint', one.sentence));
    });
    element.append(line('left', 'left: ' + activity.steps.join(' \\u2192 ')));
    activity.ends.forEach(function (end) { element.append(line('hint', end)); });
    return element;
  }
  var shown = '';
  async function refresh() {
    try {
      var text = await (await fetch('/activity')).text();
      var list = JSON.parse(text);
      if (text !== shown && list.length > 0) {
        document.getElementById('activity').replaceChildren.apply(document.getElementById('activity'), list.map(item));
      }
      shown = text;
    } catch {
      document.getElementById('choice').textContent = 'the demo has ended';
    }
    setTimeout(refresh, 500);
  }

  document.addEventListener('DOMContentLoaded', function () {
    document.querySelectorAll('[data-event]').forEach(function (button) {
      button.addEventListener('click', function () { track(button.dataset.event); });
    });
    document.querySelectorAll('[data-choice]').forEach(function (button) {
      button.addEventListener('click', function () { decide(button.dataset.choice); });
    });
    show();
    refresh();
  });
})();
`;
