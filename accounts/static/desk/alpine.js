// The theme under a strict Content-Security-Policy.
//
// Alpine's CSP build evaluates no arrow functions and sees no globals. What the theme writes in attributes as such is
// registered here as components, before Alpine looks at the page.
document.addEventListener("alpine:init", () => {
  for (const name of ["theme", "searchForm", "searchDropdown", "searchCommand"]) {
    if (typeof window[name] === "function") window.Alpine.data(name, window[name]);
  }

  const key = "sidebarDesktopOpen";
  window.Alpine.data("deskPage", () => ({
    activeTab: "",
    sidebarMobileOpen: false,
    sidebarDesktopOpen: localStorage.getItem(key) !== "0",
    init() {
      this.activeTab = (window.getCurrentTab && window.getCurrentTab()) || "general";
      this.$watch(key, (open) => localStorage.setItem(key, open ? "1" : "0"));
    },
  }));
  document.body.setAttribute("x-data", "deskPage");
  document.body.removeAttribute("x-init");

  for (const form of document.querySelectorAll("form[x-bind\\:action*='window.']")) {
    form.removeAttribute("x-bind:action"); // without it a form is sent to its page, as with it
  }
  for (const element of document.querySelectorAll("[x-on\\:click*='localStorage']")) {
    // What is kept is kept by the component above.
    element.setAttribute("x-on:click", `${key} = !${key}`);
  }
});
