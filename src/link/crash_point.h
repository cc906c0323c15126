// For the crash test: a worker dies at one chosen step of claim, commit or release. Not set outside of that
// test.
#pragma once

namespace cutwater::link {

enum class CrashPoint {
  kBeforeClaim,    // a queued slot was found
  kAfterClaim,     // the slot word says CLAIMED, nothing else was done
  kAfterStamp,     // the claim's time is written
  kAfterHead,      // the head hint was moved
  kInPayload,      // a part of a payload is in the ring
  kBeforeHeader,   // the whole payload is
  kBeforePublish,  // the header too, the position is the old one
  kAfterPublish,   // the frame is visible, nobody was woken
  kBeforeWake,     // the front's sleep flag was taken, its eventfd not written
  kAfterWake,
  kAfterIdle,   // announced idle
  kAfterAwake,  // announcement taken back
  kCount
};

inline void (*crash_point_hook)(CrashPoint) = nullptr;

inline void crash_point(CrashPoint point) {
  if (crash_point_hook != nullptr) [[unlikely]]
    crash_point_hook(point);
}

}  // namespace cutwater::link
