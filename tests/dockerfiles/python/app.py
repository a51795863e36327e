import os

from flask import Flask

app = Flask(__name__)


@app.get("/")
def hello():
    return f"python as {os.getuid()}\n"
