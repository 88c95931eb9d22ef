import Foundation
import Retrieval
import Testing

@testable import Server

struct DoctorTests {
  private func problems(_ change: (inout ServerConfiguration) -> Void) -> [String] {
    var configuration = ServerConfiguration()
    configuration.models = TestServer.modelsFolder
    configuration.model = "default"
    configuration.data = TestServer.temporaryFolder()
    change(&configuration)
    return Doctor(configuration).findings().filter { $0.level == .failure }.map(\.subject)
  }

  @Test func theBundledHouseIsHealthy() {
    #expect(problems { _ in } == [])
  }

  @Test func whatCantBeLoadedIsNamed() {
    #expect(problems { $0.model = "no-such-model" } == ["chat model"])
    #expect(problems { $0.embeddingModel = "no-such-model" } == ["embedding model"])
    #expect(problems { $0.apiKeyFile = "/no/such/file" } == ["keys"])
    #expect(problems { $0.data = "/dev/null" } == ["data folder"])
  }

  @Test func itsAnswerIsJSON() {
    let json = Doctor.json([Finding("disk", .failure, "full")])
    #expect(json["healthy"] == false)
    #expect(json["findings"]?[0]?["level"] == "failure")
  }
}
