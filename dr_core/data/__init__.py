"""Eyes: photographs, grades, lesion masks, phantoms and stores."""
