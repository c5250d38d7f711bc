"""The report of a study: one self-contained page of HTML, and a PDF of it."""
