const app = require("express")();
app.get("/", (_, response) => response.send(`node as ${process.getuid()}\n`));
app.listen(3000);
