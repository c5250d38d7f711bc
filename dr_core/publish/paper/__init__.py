"""The paper held against a study: its published numbers, its claims as statements to check, and the verdicts.

Paper: Srinivasan, Strodthoff, Ma, Binder, Müller and Samek, "On the Robustness of Pretraining and Self-Supervision for
a Deep Learning-based Analysis of Diabetic Retinopathy" (2021).
"""
