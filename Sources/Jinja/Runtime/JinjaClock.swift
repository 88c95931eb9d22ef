// The time that `strftime_now` formats: seconds since 1970 and the zone's offset, so that tests
// and reproducible renderings can fix both. Relies on the C library for the zone and for strftime
// in its C locale.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

package struct JinjaClock: Sendable {
  /// Seconds since 1970-01-01 00:00 UTC and seconds east of it.
  package typealias Reading = (seconds: Int64, offset: Int)

  private let read: @Sendable () -> Reading

  package init(_ read: @escaping @Sendable () -> Reading) { self.read = read }

  /// The machine's clock and time zone.
  package static let system = JinjaClock {
    var seconds = time(nil)
    var local = tm()
    localtime_r(&seconds, &local)
    return (Int64(seconds), local.tm_gmtoff)
  }

  /// A clock that stands still, in UTC.
  package static func fixed(seconds: Int64) -> JinjaClock { JinjaClock { (seconds, 0) } }

  /// The time as C's strftime formats it.
  func formatted(_ format: String, _ meter: Meter) throws(JinjaError) -> String {
    // Directives expand to a few dozen bytes at most in the C locale.
    try meter.chargeText(format.utf8.count.multipliedReportingOverflow(by: 64).partialValue)
    guard format.utf8.count <= 1024 else { throw .runtime("a time format exceeds 1024 bytes") }
    let (seconds, offset) = read()
    var moment = time_t(seconds + Int64(offset))
    var parts = tm()
    gmtime_r(&moment, &parts)
    parts.tm_gmtoff = offset
    // strftime reports 0 for "no room" as for "empty": the trailing mark tells them apart.
    var buffer = [CChar](repeating: 0, count: 64 * format.utf8.count + 64)
    let length = strftime(&buffer, buffer.count, format + "|", &parts)
    guard length > 0 else { throw .runtime("invalid time format") }
    return String(decoding: buffer[..<(length - 1)].map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
