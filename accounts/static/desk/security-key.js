// WebAuthn: asks the browser for a key of this member, or makes one, and sends what it answers with the form.

const bytesOf = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
const textOf = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
const withBytes = (keys) => (keys ?? []).map((key) => ({ ...key, id: bytesOf(key.id) }));

function readable(options) {
  const wanted = { ...options.publicKey };
  wanted.challenge = bytesOf(wanted.challenge);
  if (wanted.user) wanted.user = { ...wanted.user, id: bytesOf(wanted.user.id) };
  if (wanted.excludeCredentials) wanted.excludeCredentials = withBytes(wanted.excludeCredentials);
  if (wanted.allowCredentials) wanted.allowCredentials = withBytes(wanted.allowCredentials);
  return { publicKey: wanted };
}

function sendable(credential) {
  const response = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    const value = credential.response[name];
    if (value) response[name] = textOf(value);
  }
  if (credential.response.getTransports) response.transports = credential.response.getTransports();
  return {
    id: credential.id,
    rawId: textOf(credential.rawId),
    type: credential.type,
    authenticatorAttachment: credential.authenticatorAttachment,
    clientExtensionResults: credential.getClientExtensionResults(),
    response,
  };
}

const REASONS = {
  NotAllowedError: "It was cancelled, or took too long. Try again.",
  InvalidStateError: "This key was added already.",
  SecurityError: "Browsers allow security keys on https addresses and on localhost only.",
};

for (const form of document.querySelectorAll("form[data-security-key]")) {
  const said = form.querySelector("[data-said]");
  const button = form.querySelector("button");
  const options = JSON.parse(document.getElementById(form.dataset.options).textContent);
  if (!window.PublicKeyCredential) {
    button.disabled = true;
    said.textContent = "This browser knows no security keys here; they need an https address.";
    continue;
  }
  button.addEventListener("click", async () => {
    said.textContent = "";
    try {
      const credential = await navigator.credentials[form.dataset.securityKey](readable(options));
      form.querySelector("[name='credential']").value = JSON.stringify(sendable(credential));
      form.submit();
    } catch (error) {
      said.textContent = REASONS[error.name] ?? "The browser could not do it. Try another key.";
    }
  });
}
