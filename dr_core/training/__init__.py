"""Pretraining and finetuning: schedules, the loop, run folders."""
