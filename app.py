"""The app: the server that `streamlit run app.py` starts around home.py and pages/."""

from streamlit.starlette import App

from dr_ui.shell import server

app = App("home.py", lifespan=server.lifespan, middleware=server.middleware())
