"""A lab's trainings: from prepared stores to run folders and a study's checkpoints."""
