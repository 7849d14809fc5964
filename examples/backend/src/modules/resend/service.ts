import type { ProviderSendNotificationDTO, ProviderSendNotificationResultsDTO } from "@medusajs/framework/types"
import { AbstractNotificationProviderService, MedusaError } from "@medusajs/framework/utils"

type Options = { api_key: string; from: string }

/** Sends notifications of the channel "email" with Resend. https://resend.com/docs/api-reference/emails/send-email */
export class ResendNotificationService extends AbstractNotificationProviderService {
  static identifier = "resend"

  constructor(_dependencies: object, private readonly options: Options) {
    super()
  }

  async send(notification: ProviderSendNotificationDTO): Promise<ProviderSendNotificationResultsDTO> {
    const response = await fetch("https://api.resend.com/emails", {
      method: "POST",
      headers: { authorization: `Bearer ${this.options.api_key}`, "content-type": "application/json" },
      body: JSON.stringify({
        from: notification.from || this.options.from,
        to: notification.to,
        subject: notification.content?.subject,
        text: notification.content?.text,
        html: notification.content?.html,
      }),
      signal: AbortSignal.timeout(10_000),
    })
    const body = await response.text()
    if (!response.ok) {
      throw new MedusaError(MedusaError.Types.UNEXPECTED_STATE, `Resend answered ${response.status}: ${body.slice(0, 200)}`)
    }
    return { id: JSON.parse(body).id }
  }
}
