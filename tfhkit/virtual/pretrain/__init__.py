"""The two general trainings, on virtual speakers: sound to motion, rendering to frame."""
