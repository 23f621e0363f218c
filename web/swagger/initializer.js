/* web/swagger/initializer.js: starts the API page with the modules that the server has. */
"use strict";

window.addEventListener("load", async () => {
  const answer = await fetch("modules.json");
  window.ui = SwaggerUIBundle({
    urls: await answer.json(),
    dom_id: "#swagger-ui",
    deepLinking: true,
    validatorUrl: null,
    persistAuthorization: false,
    presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset],
    layout: "StandaloneLayout",
  });
});
