"""The screens' parts: the only package that knows Streamlit."""
