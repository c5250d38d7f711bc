"""Eyes on the screen: choosing one, uploads, and what is known of each."""
